/*
 * The steps of resolve_change(). For vzpkg/resolve/ only.
 */
#pragma once

#include "vzpkg/resolve/change.h"
#include "vzpkg/resolve/wish.h"

struct changer {
	struct package_pool *pool;
	const struct installed_set *set;
	const struct change_request *request;
	struct change_notes *notes; /* may be NULL */
	Repo *repo; /* what is installed */
	const struct installed_package **packages; /* of each solvable of it, from repo->start */
	struct resolver resolver; /* once the repository is in the pool */
	Map locked; /* installed solvables that stay as they are */
	Map by_source; /* those that are updated since others of their source are chosen */
	Queue scope; /* CHANGE_UPDATE, CHANGE_ERASE: installed solvables that it is about */
	Queue chosen,
		removed; /* the result: solvables of repositories, and installed ones that are not there afterwards */
};

/* The repository of what is installed, in the pool for as long as the changer lives. */
int changer_open(struct changer *changer, struct package_pool *pool,
		 const struct installed_set *set, struct error *err);
void changer_release(struct changer *changer);

/* The package files of the host, instead of wishes. */
void change_local(struct changer *changer);

/* Fills `removed` from `scope`. */
int change_erase(struct changer *changer, struct error *err);

/* deb: Essential. rpm: what changes packages; without it nobody could put anything back. */
bool change_is_protected(const struct changer *changer, Id installed);

/* Of what is there now, what came as a dependency and was needed `before`, and is not any more. */
void change_unneeded(const struct changer *changer, const Map *before, const Map *now, Queue *ret);

/* deb: drops from `chosen` what apt would have taken for something that libsolv then decided against: nothing needs it. */
void change_prune(struct changer *changer);

/* deb: what is built from one source is kept at one version, as apt does it (APT::Get::Upgrade-By-Source-Package): wishes for updates of what is
 * installed and has a sibling in `chosen`. Returns whether there are new ones, which are to be solved for. */
bool change_by_source(struct changer *changer);

/* The result as a plan and a difference, and what is to be told besides. */
int change_build(struct changer *changer, struct plan **ret_plan, struct difference *ret_difference,
		 struct error *err);

const struct installed_package *changer_package(const struct changer *changer, Id installed);
