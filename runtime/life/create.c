#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/conf_edit.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "image/name.h"
#include "runtime/area/layer.h"
#include "runtime/area/private.h"
#include "runtime/area/template.h"
#include "runtime/config/ctid.h"
#include "runtime/ids.h"
#include "runtime/life/cleanup.h"
#include "runtime/life/launch.h"
#include "runtime/life/life.h"
#include "runtime/namespace.h"

/* What is decided on the way. */
struct making {
	const struct life *life;
	const struct life_create *create;
	struct held held; /* its config: the defaults, changed by what was asked for */
	struct template_found template;
	const char *sample; /* the name of its sample configuration; NULL: none */
	struct strbuf sample_text;
	struct layer layer;
	struct id_block ids;
	int userns;
	int dir; /* the private area */
	struct disk_limits limits;
	bool limits_asked; /* and not merely those of the sample */
	struct ve_disk which;
	struct disk disk;
};

static void making_release(struct making *making)
{
	held_release(&making->held);
	template_found_release(&making->template);
	strbuf_release(&making->sample_text);
	layer_release(&making->layer);
	id_block_release(&making->ids);
	if (making->userns >= 0)
		close(making->userns);
	ve_disk_release(&making->which);
	disk_release(&making->disk);
	if (making->dir >= 0)
		close(making->dir);
}

/* ---- before anything is made ------------------------------------------------------------------------ */

static int exists(const struct making *making, struct error *err)
{
	unsigned ctid = making->life->ctid;
	autofree char *path = ve_config_path(making->life->host, ctid);
	error_set(err, ERROR_VE_EXISTS, "there is a VE %u already", ctid);
	return error_hint(err, "%s belongs to it; choose another number", path);
}

static int check_name(const struct making *making, struct error *err)
{
	const char *name = making->create->name;
	unsigned other;
	if (!name)
		return 0;
	if (ve_name_check(name, err) < 0)
		return -1;
	if (!ctid_of_name(making->life->host, name, &other))
		return 0;
	error_set(err, ERROR_VE_NAME, "the name %s is taken by the VE %u", name, other);
	return error_hint(err, "choose another one");
}

static char *absolute(const char *path, unsigned ctid)
{
	autofree char *expanded = ctid_expand(path, ctid);
	if (*expanded == '/')
		return steal_ptr(expanded);
	autofree char *folder = getcwd(NULL, 0);
	return xasprintf("%s/%s", folder ? folder : "", expanded);
}

static int set_defaults(struct making *making, struct error *err)
{
	const struct life *life = making->life;
	const struct life_create *create = making->create;
	struct ve_config *config = &making->held.config;
	if (ve_config_defaults(life->host, life->ctid, config, err) < 0)
		return -1;
	if (create->layout && ve_layout_parse(create->layout, &config->layout, err) < 0)
		return -1;
	config->bundled_init |= create->bundled_init;
	if (create->private_area) {
		free(config->private_area);
		config->private_area = absolute(create->private_area, life->ctid);
	}
	if (create->root) {
		free(config->root);
		config->root = absolute(create->root, life->ctid);
	}
	struct stat st;
	if (lstat(config->private_area, &st) == 0) {
		error_set(err, ERROR_VE_EXISTS, "the private area %s is there already",
			  config->private_area);
		return error_hint(err, "no VE of this host is known to have it; move it away, or "
				       "give another with --private");
	}
	return 0;
}

static int read_sample(struct making *making, struct error *err)
{
	const struct host_config *host = making->life->host;
	const char *sample = making->create->config ?: conf_get(&host->conf, "CONFIGFILE");
	autofree char *content = NULL;
	if (!sample || !*sample)
		return 0;
	if (ve_config_sample(host, sample, &content, err) < 0)
		return -1;
	making->sample = sample;
	strbuf_adds(&making->sample_text, content);
	return 0;
}

/* What is given wins over the sample, and that over vz.conf. */
static int find_limits(struct making *making, struct error *err)
{
	const struct life_create *create = making->create;
	const struct disk_given given = { create->diskspace, create->diskinodes,
					  create->quotaugidlimit };
	AUTO(ve_config_release) struct ve_config sample = VE_CONFIG_INIT;
	if (conf_parse(&sample.conf, making->sample ?: "", making->sample_text.text,
		       making->sample_text.length, err) < 0)
		return -1;
	making->limits_asked = create->diskspace || create->diskinodes || create->quotaugidlimit;
	return ve_disk_limits(making->life->host, &sample, &given, &making->limits, err);
}

/* The template with the applications that the sample says VEs have, to be freed. */
static char *with_applications(const struct making *making, const char *wanted)
{
	AUTO(conf_release) struct conf conf = CONF_INIT;
	AUTO(strvec_release) struct strvec words = STRVEC_INIT, names = STRVEC_INIT;
	if (conf_parse(&conf, "", making->sample_text.text ?: "", making->sample_text.length,
		       NULL) < 0)
		return xstrdup(wanted); /* the mistake is said when the file is written */
	strvec_split(&words, conf_get_default(&conf, "TEMPLATES", ""));
	for (size_t i = 0; i < words.count; i++)
		strvec_push(&names, words.items[i] + (words.items[i][0] == '.'));
	return template_name_join(wanted, &names);
}

static int find_template(struct making *making, struct error *err)
{
	const struct host_config *host = making->life->host;
	const char *wanted = making->create->ostemplate ?: conf_get(&host->conf, "DEF_OSTEMPLATE");
	if (!wanted || !*wanted) {
		error_set(err, ERROR_USAGE, "no template is given");
		return error_hint(err, "use --ostemplate NAME, or set DEF_OSTEMPLATE in vz.conf");
	}
	autofree char *whole = with_applications(making, wanted);
	return template_find(host, whole, making->create->build, making->life->report,
			     &making->template, err);
}

static int check_init(const struct making *making, int tree, struct error *err)
{
	if (making->held.config.bundled_init || launch_find_init(tree))
		return 0;
	error_set(err, ERROR_NO_INIT, "the template %s has no /sbin/init",
		  making->template.tarball);
	return error_hint(err, "add an init to it (in Debian: the package systemd-sysv or "
			       "sysvinit-core), or have the VE started without services by "
			       "--bundled-init");
}

/* ---- what the file systems here can do ------------------------------------------------------------------ */

static int take_userns(struct making *making, struct error *err)
{
	if (id_block_take(making->life->host->lock_dir, &making->ids, err) < 0)
		return -1;
	making->userns = namespace_user_new(making->ids.base, err);
	return making->userns < 0 ? -1 : 0;
}

static int open_private(struct making *making, const char *sub, struct error *err)
{
	int fd = openat(making->disk.dir, sub, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? error_errno(err, errno, "opening %s in the private area", sub) : fd;
}

static int try_mount(struct making *making, enum ve_layout layout, struct error *err)
{
	struct private_area area = {
		.layout = layout,
		.dir = making->dir,
		.disk = making->disk,
		.tree = -1,
		.layer = making->layer,
	};
	autoclose int tree = -1;
	if (layout == VE_LAYOUT_SIMFS) {
		tree = open_private(making, "fs", err);
		if (tree < 0)
			return -1;
		area.tree = tree;
	}
	return private_try(&area, making->userns, making->ids.base, making->life->host->lock_dir,
			   err);
}

/* ---- making it -------------------------------------------------------------------------------------------- */

/* What is to be taken away if this does not come to its end. */
static int record(struct making *making, struct error *err)
{
	struct ve_state *state = &making->held.state;
	state->phase = VE_CREATING;
	state->this_boot = true;
	state->private_area = xstrdup(making->held.config.private_area);
	return ve_state_save(making->life->host, making->life->ctid, state, err);
}

static int make_dir(struct making *making, struct error *err)
{
	const char *path = making->held.config.private_area, *slash = strrchr(path, '/');
	autofree char *parent = xstrndup(path, (size_t)(slash - path));
	autoclose int above = dir_open(AT_FDCWD, *parent ? parent : "/", true, 0755, err);
	if (above < 0)
		return -1;
	if (mkdirat(above, slash + 1, 0700) < 0)
		return error_errno(err, errno, "creating %s", path);
	making->dir = openat(above, slash + 1, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return making->dir < 0 ? error_errno(err, errno, "opening %s", path) : 0;
}

static bool is_final(const struct error *err)
{
	return err->kind == ERROR_NO_SPACE || err->kind == ERROR_INTERRUPTED;
}

/* What a sample says of users and groups is the least. */
static int choose_disk(struct making *making, const struct disk_choice *choice, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	if (disk_choose(choice, &making->which, &making->disk, &why) == 0)
		return 0;
	if (!making->limits.users || making->create->quotaugidlimit || is_final(&why)) {
		error_move(err, &why);
		return -1;
	}
	report_warning(making->life->report, "QUOTAUGIDLIMIT",
		       "users and groups of the VE are not counted: %s", why.message);
	making->limits.users = false;
	return disk_limited(choice->limits)
		       ? disk_choose(choice, &making->which, &making->disk, err)
		       : disk_open(making->dir, &making->which, true, &making->disk, err);
}

/* Limits that nobody asked for in person, and that cannot be held here, are no reason to have no VE. */
static int make_disk(struct making *making, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	enum disk_kind wanted;
	if (ve_disk_wanted(making->life->host, &wanted, err) < 0)
		return -1;
	const struct disk_choice choice = {
		.private_area = making->dir,
		.ctid = making->life->ctid,
		.before = &(struct ve_disk){ 0 },
		.wanted = wanted,
		.limits = &making->limits,
	};
	if (disk_limited(&making->limits) && (making->limits_asked || wanted != DISK_NONE)) {
		if (choose_disk(making, &choice, &why) == 0)
			return 0;
		if (making->limits_asked || is_final(&why)) {
			error_move(err, &why);
			return -1;
		}
		report_warning(making->life->report, "DISKSPACE",
			       "DISKSPACE and DISKINODES are not held: %s", why.message);
	}
	return disk_open(making->dir, &making->which, true, &making->disk, err);
}

/* 1 if overlay works, 0 if it does not and the reason was said. */
static int make_overlay(struct making *making, struct error *err)
{
	const struct life *life = making->life;
	AUTO(error_clear) struct error why = ERROR_INIT;
	if (layer_take(life->host, making->template.tarball, life->report, &making->layer, err) < 0)
		return -1;
	if (check_init(making, making->layer.dir, err) < 0 ||
	    private_make_overlay(making->disk.dir, &making->layer, err) < 0)
		return -1;
	if (try_mount(making, VE_LAYOUT_OVERLAY, &why) == 0)
		return 1;
	if (making->create->layout) {
		error_move(err, &why);
		return -1;
	}
	report_warning(life->report, "overlay",
		       "overlay is not possible here (%s); the VE gets a copy of the template's "
		       "files",
		       why.message);
	if (tree_remove(making->disk.dir, "upper", err) < 0 ||
	    tree_remove(making->disk.dir, "work", err) < 0)
		return -1;
	layer_release(&making->layer);
	making->held.config.layout = VE_LAYOUT_SIMFS;
	return 0;
}

/* The VE's block stays its own: the files have it on disk. */
static int shift_ids(struct making *making, int tree, struct error *err)
{
	struct ve_state *state = &making->held.state;
	struct ve_config *config = &making->held.config;
	unsigned base = making->ids.base;
	if (fchown(tree, base, base) < 0)
		return error_errno(err, errno, "giving the private area to the VE");
	config->ids_shifted = true;
	config->ids_base = state->ids_base = base;
	if (ve_state_save(making->life->host, making->life->ctid, state, err) < 0)
		return -1;
	return id_block_keep(&making->ids, making->life->ctid, err);
}

static int make_simfs(struct making *making, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	char digest[65];
	if (mkdirat(making->disk.dir, "fs", 0755) < 0)
		return error_errno(err, errno, "creating fs in the private area");
	autoclose int tree = open_private(making, "fs", err);
	if (tree < 0)
		return -1;
	if (try_mount(making, VE_LAYOUT_SIMFS, &why) < 0) {
		report_warning(making->life->report, making->held.config.private_area,
			       "%s; the VE's files get its ids on disk", why.message);
		if (shift_ids(making, tree, err) < 0)
			return -1;
	}
	if (layer_unpack(making->template.tarball, tree,
			 making->held.config.ids_shifted ? making->userns : -1,
			 making->life->report, digest, err) < 0)
		return -1;
	return check_init(making, tree, err);
}

/* What the configuration says is there has to be there after a power loss, too. A layer is on disk already. */
static int sync_area(const struct making *making, struct error *err)
{
	bool files = making->held.config.layout == VE_LAYOUT_SIMFS || making->which.folder;
	if ((files ? syncfs(making->dir) : fsync(making->dir)) < 0 ||
	    (making->which.folder && syncfs(making->disk.dir) < 0))
		return error_errno(err, errno, "syncing the private area");
	return 0;
}

static int make_area(struct making *making, struct error *err)
{
	if (record(making, err) < 0 || take_userns(making, err) < 0 || make_dir(making, err) < 0 ||
	    make_disk(making, err) < 0)
		return -1;
	int made = 0;
	if (making->held.config.layout == VE_LAYOUT_OVERLAY)
		made = make_overlay(making, err);
	if (made == 0)
		made = make_simfs(making, err);
	if (made >= 0)
		return sync_area(making, err);
	/* Which of the two disks is full, the message of the system does not say. */
	if (err->kind == ERROR_NO_SPACE && making->which.folder)
		error_wrap(err, "in a disk of %" PRIu64 " MB", making->limits.space.hard >> 20);
	return -1;
}

/* ---- its configuration --------------------------------------------------------------------------------------- */

static char *join(const struct strvec *words)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	for (size_t i = 0; words && i < words->count; i++)
		strbuf_addf(&text, "%s%s", i ? " " : "", words->items[i]);
	return strbuf_detach(&text);
}

/* OpenVZ's form, with a "." before each name. */
static char *application_list(const struct making *making)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	const struct strvec *names = &making->template.applications;
	for (size_t i = 0; i < names->count; i++)
		strbuf_addf(&text, "%s.%s", i ? " " : "", names->items[i]);
	return strbuf_detach(&text);
}

static int write_config(const struct making *making, struct error *err)
{
	const struct ve_config *config = &making->held.config;
	const struct life_create *create = making->create;
	autofree char *addresses = join(create->addresses), *servers = join(create->nameservers);
	autofree char *applications = application_list(making);
	autofree char *ids = config->ids_shifted ? xasprintf("%u", config->ids_base) : NULL;
	const struct ve_disk *disk = &making->which;
	autofree char *project = disk->project ? xasprintf("%u", disk->project) : NULL;
	const struct conf_change all[] = {
		{ "OSTEMPLATE", making->template.ostemplate },
		{ "TEMPLATES", *applications ? applications : NULL },
		{ "ORIGIN_SAMPLE", making->sample },
		{ "VE_LAYOUT", ve_layout_name(config->layout) },
		{ "VE_LAYER", config->layout == VE_LAYOUT_OVERLAY ? making->layer.digest : NULL },
		{ "VE_PRIVATE", config->private_area },
		{ "VE_ROOT", config->root },
		{ "VE_DISK", disk->folder },
		{ "VE_DISK_KIND", disk->folder ? disk_kind_name(disk->kind) : NULL },
		{ "VE_DISK_PROJECT", project },
		{ "DISKSPACE", create->diskspace },
		{ "DISKINODES", create->diskinodes },
		{ "QUOTAUGIDLIMIT", create->quotaugidlimit },
		{ "NAME", create->name },
		{ "HOSTNAME", create->hostname },
		{ "IP_ADDRESS", *addresses ? addresses : NULL },
		{ "NAMESERVER", *servers ? servers : NULL },
		{ "LOCAL_UID", ids },
		{ "LOCAL_GID", ids },
		{ "VE_IDS_SHIFTED", ids ? "yes" : NULL },
		{ "BUNDLED_INIT", create->bundled_init ? "yes" : NULL },
	};
	/* What is not set here is left as the sample has it. */
	struct conf_change changes[sizeof(all) / sizeof(*all)];
	size_t count = 0;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (all[i].value)
			changes[count++] = all[i];
	return publish_config(making->life, &making->sample_text, changes, count, err);
}

/* Names are looked up in all configurations, so only one may be given away at a time. */
static int write_named(const struct making *making, struct error *err)
{
	AUTO(lock_release) struct lock lock = LOCK_INIT;
	if (!making->create->name)
		return write_config(making, err);
	autoclose int dir = dir_open(AT_FDCWD, making->life->host->lock_dir, true, 0755, err);
	if (dir < 0 || lock_take(&lock, dir, "names.lck", LOCK_EXCLUSIVE, making->life->timeout_s,
				 NULL, NULL, err) < 0)
		return -1;
	return check_name(making, err) < 0 ? -1 : write_config(making, err);
}

/* ---------------------------------------------------------------------------------------------------------------- */

static int create(struct making *making, struct error *err)
{
	const struct life *life = making->life;
	if (held_take(life, false, &making->held, err) < 0)
		return -1;
	if (ve_config_exists(life->host, life->ctid))
		return exists(making, err);
	if (check_name(making, err) < 0 || set_defaults(making, err) < 0 ||
	    read_sample(making, err) < 0 || find_limits(making, err) < 0 ||
	    find_template(making, err) < 0)
		return -1;
	if (make_area(making, err) == 0 && interrupt_check(err) == 0 &&
	    write_named(making, err) == 0) {
		ve_state_release(&making->held.state);
		return ve_state_save(life->host, life->ctid, &making->held.state, err);
	}
	cleanup_private(life->host, life->ctid, &making->held.state, NULL);
	return -1;
}

int life_create(const struct life *life, const struct life_create *request, struct error *err)
{
	AUTO(making_release)
	struct making making = {
		.life = life,
		.create = request,
		.held = HELD_INIT,
		.template = TEMPLATE_FOUND_INIT,
		.sample_text = STRBUF_INIT,
		.layer = LAYER_INIT,
		.ids = ID_BLOCK_INIT,
		.userns = -1,
		.dir = -1,
		.which = VE_DISK_INIT,
		.disk = DISK_INIT,
	};
	if (create(&making, err) < 0)
		return error_wrap(err, "creating the VE %u", life->ctid);
	return 0;
}
