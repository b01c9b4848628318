#include "vzpkg/resolve/problem.h"

#include <solv/knownid.h>
#include <solv/problems.h>
#include <solv/solvable.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/option.h"

const char *package_nearest_name(const struct package_pool *pool, const char *name)
{
	Pool *solv = pool->pool;
	const char **names = xcalloc((size_t)solv->nsolvables + 1, sizeof(*names));
	size_t count = 0;

	/* People rarely get the first letter wrong. */
	for (Id id = 2; id < solv->nsolvables; id++) {
		const Solvable *solvable = pool_id2solvable(solv, id);
		if (!solvable->repo)
			continue;
		const char *text = pool_id2str(solv, solvable->name);
		if (text[0] == name[0])
			names[count++] = text;
	}
	const char *near = nearest_word(name, names);
	free(names);
	return near;
}

/* "bash 5.2.15-2+b2" */
static const char *package_text(Pool *pool, Id solvable)
{
	const Solvable *s = pool_id2solvable(pool, solvable);
	const char *name = pool_id2str(pool, s->name);
	return pool_tmpjoin(pool, name, " ", pool_id2str(pool, s->evr));
}

static Id plain_name(Pool *pool, Id dependency)
{
	while (ISRELDEP(dependency))
		dependency = GETRELDEP(pool, dependency)->name;
	return dependency;
}

/* The versions that there are of what a relation asks for. */
static void add_versions(const struct package_pool *pool, Id dependency, struct strbuf *text)
{
	Pool *solv = pool->pool;
	Id name = plain_name(solv, dependency);
	unsigned count = 0;

	for (Id id = 2; id < solv->nsolvables && count < 4; id++) {
		const Solvable *solvable = pool_id2solvable(solv, id);
		if (!solvable->repo || solvable->name != name)
			continue;
		strbuf_addf(text, "%s%s", count++ ? ", " : "; the repositories have only ",
			    package_text(solv, id));
	}
	const char *near = count ? NULL : package_nearest_name(pool, pool_id2str(solv, name));
	if (near)
		strbuf_addf(text, "; did you mean %s?", near);
}

static void describe_rule(const struct package_pool *pool, Solver *solver, SolverRuleinfo type,
			  Id source, Id target, Id dependency, struct strbuf *text)
{
	Pool *solv = pool->pool;

	switch (type) {
	case SOLVER_RULE_JOB_NOTHING_PROVIDES_DEP:
	case SOLVER_RULE_JOB_UNKNOWN_PACKAGE:
		strbuf_addf(text, "%s is in no repository", pool_dep2str(solv, dependency));
		add_versions(pool, dependency, text);
		break;
	case SOLVER_RULE_PKG_NOTHING_PROVIDES_DEP:
		strbuf_addf(text, "%s needs ", package_text(solv, source));
		strbuf_addf(text, "%s, which is in no repository", pool_dep2str(solv, dependency));
		add_versions(pool, dependency, text);
		break;
	case SOLVER_RULE_PKG_REQUIRES:
		strbuf_addf(text, "%s needs ", package_text(solv, source));
		strbuf_addf(text, "%s, and nothing that provides it can be installed",
			    pool_dep2str(solv, dependency));
		break;
	case SOLVER_RULE_PKG_CONFLICTS:
		strbuf_addf(text, "%s conflicts with ", package_text(solv, source));
		strbuf_adds(text, package_text(solv, target));
		break;
	case SOLVER_RULE_PKG_SAME_NAME:
		strbuf_addf(text, "%s and ", package_text(solv, source));
		strbuf_addf(text, "%s cannot both be installed", package_text(solv, target));
		break;
	default:
		strbuf_adds(text,
			    solver_problemruleinfo2str(solver, type, source, target, dependency));
	}
}

/* A line, unless the same one is there already. */
static void add_line(struct strbuf *text, const char *line)
{
	const char *at = text->text;
	size_t length = strlen(line);
	while ((at = strstr(at, line))) {
		if ((at == text->text || at[-1] == '\n') && (at[length] == '\n' || !at[length]))
			return;
		at += length;
	}
	strbuf_addf(text, "%s%s", text->length ? "\n" : "", line);
}

static void describe_problem(const struct package_pool *pool, Solver *solver, Id problem,
			     struct strbuf *text)
{
	Queue rules;
	unsigned lines = 0;

	queue_init(&rules);
	solver_findallproblemrules(solver, problem, &rules);
	for (int i = 0; i < rules.count; i++) {
		Id source, target, dependency;
		SolverRuleinfo type =
			solver_ruleinfo(solver, rules.elements[i], &source, &target, &dependency);
		/* That it was asked for is known; why not is told by the other rules. */
		if (type == SOLVER_RULE_JOB && rules.count > 1)
			continue;
		struct strbuf line = STRBUF_INIT;
		describe_rule(pool, solver, type, source, target, dependency, &line);
		if (lines++ < 12)
			add_line(text, line.text);
		strbuf_release(&line);
	}
	queue_free(&rules);
}

void problems_describe(const struct package_pool *pool, Solver *solver, struct strbuf *text)
{
	unsigned count = solver_problem_count(solver);
	for (Id problem = 1; problem <= (Id)count; problem++)
		describe_problem(pool, solver, problem, text);
}

/* ---- remedies ------------------------------------------------------------------------------------------ */

/* "removing postfix 3.7"; false: it is no change of what is installed. */
static bool describe_element(Pool *pool, const Solver *solver, Id what, Id with,
			     struct strbuf *text)
{
	const char *between = text->length ? ", " : "";

	if (what == SOLVER_SOLUTION_JOB &&
	    (solver->job.elements[with - 1] & SOLVER_JOBMASK) == SOLVER_LOCK &&
	    (solver->job.elements[with - 1] & SOLVER_SELECTMASK) == SOLVER_SOLVABLE)
		strbuf_addf(text, "%sno longer holding %s", between,
			    package_text(pool, solver->job.elements[with]));
	else if (what > 0 && with <= 0)
		strbuf_addf(text, "%sremoving %s", between, package_text(pool, what));
	else if (what > 0)
		strbuf_addf(text, "%shaving %s instead of what is installed", between,
			    package_text(pool, with));
	else
		return false;
	return true;
}

static bool describe_solution(Pool *pool, Solver *solver, Id problem, Id solution,
			      struct strbuf *text)
{
	Id element = 0, what, with;

	while ((element = solver_next_solutionelement(solver, problem, solution, element, &what,
						      &with)))
		if (!describe_element(pool, solver, what, with, text))
			return false;
	return true;
}

void problems_remedy(const struct package_pool *pool, Solver *solver, struct strbuf *text)
{
	for (Id problem = 1; problem <= (Id)solver_problem_count(solver); problem++) {
		struct strbuf best = STRBUF_INIT;
		unsigned best_count = 0;
		for (Id solution = 1; solution <= (Id)solver_solution_count(solver, problem);
		     solution++) {
			struct strbuf line = STRBUF_INIT;
			unsigned count = solver_solutionelement_count(solver, problem, solution);
			if ((!best_count || count < best_count) &&
			    describe_solution(pool->pool, solver, problem, solution, &line)) {
				strbuf_truncate(&best, 0);
				strbuf_addf(&best, "it would help: %s", line.text);
				best_count = count;
			}
			strbuf_release(&line);
		}
		if (best_count)
			add_line(text, best.text);
		strbuf_release(&best);
	}
}
