#include "image/member.h"

#include "base/alloc.h"

struct planner {
	struct member *members;
	size_t count, capacity;
	uint64_t counted; /* bytes of the open member; 0: none is open */
};

static struct member *add(struct planner *planner)
{
	planner->members = xgrow(planner->members, planner->count, &planner->capacity,
				 sizeof(*planner->members));
	struct member *member = &planner->members[planner->count++];
	*member = (struct member){ 0 };
	return member;
}

/* http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint32_t fnv1a(const char *text)
{
	uint32_t hash = 2166136261u;
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619u;
	return hash;
}

static void add_large(struct planner *planner, size_t index, uint64_t size)
{
	for (uint64_t offset = 0; offset < size; offset += MEMBER_PART) {
		struct member *member = add(planner);
		uint64_t left = size - offset;
		member->first = index;
		member->count = 1;
		member->large = true;
		member->offset = offset;
		member->length = left < MEMBER_PART ? left : MEMBER_PART;
	}
	planner->counted = 0;
}

static void add_small(struct planner *planner, size_t index, const struct walk_entry *entry)
{
	if (planner->counted >= MEMBER_CLOSE_AT || fnv1a(entry->path) % MEMBER_HASH_CUT == 0)
		planner->counted = 0;
	if (!planner->counted)
		add(planner)->first = index;
	planner->members[planner->count - 1].count++;
	planner->counted += 512 + (entry->size + 511) / 512 * 512;
}

struct member *members_plan(const struct walk *walk, size_t *ret_count)
{
	struct planner planner = { 0 };

	for (size_t i = 0; i < walk->count; i++) {
		if (walk->entries[i].size > MEMBER_PART)
			add_large(&planner, i, walk->entries[i].size);
		else
			add_small(&planner, i, &walk->entries[i]);
	}
	add(&planner)->last = true;
	*ret_count = planner.count;
	return planner.members;
}
