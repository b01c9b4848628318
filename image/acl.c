#include "image/acl.h"

#include <archive_entry.h>
#include <endian.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdint.h>
#include <string.h>

static const char access_name[] = "system.posix_acl_access";
static const char default_name[] = "system.posix_acl_default";

static const struct {
	unsigned tag;
	int archive_tag;
} tags[] = {
	{ ACL_USER_OBJ, ARCHIVE_ENTRY_ACL_USER_OBJ },   { ACL_USER, ARCHIVE_ENTRY_ACL_USER },
	{ ACL_GROUP_OBJ, ARCHIVE_ENTRY_ACL_GROUP_OBJ }, { ACL_GROUP, ARCHIVE_ENTRY_ACL_GROUP },
	{ ACL_MASK, ARCHIVE_ENTRY_ACL_MASK },           { ACL_OTHER, ARCHIVE_ENTRY_ACL_OTHER },
};

bool acl_is(const char *name)
{
	return strcmp(name, access_name) == 0 || strcmp(name, default_name) == 0;
}

static int archive_tag(unsigned tag)
{
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		if (tags[i].tag == tag)
			return tags[i].archive_tag;
	return -1;
}

static int add_one(struct archive_entry *entry, int type, const struct posix_acl_xattr_entry *from)
{
	unsigned tag = le16toh(from->e_tag);
	int to = archive_tag(tag);
	int id = tag == ACL_USER || tag == ACL_GROUP ? (int)le32toh(from->e_id) : -1;

	/* ACL_READ, ACL_WRITE and ACL_EXECUTE have the same values on both sides. */
	if (to < 0 ||
	    archive_entry_acl_add_entry(entry, type, le16toh(from->e_perm) & 7, to, id, NULL) != 0)
		return -1;
	return 0;
}

int acl_add(struct archive_entry *entry, const char *name, const void *value, size_t size)
{
	int type = strcmp(name, default_name) == 0 ? ARCHIVE_ENTRY_ACL_TYPE_DEFAULT
						   : ARCHIVE_ENTRY_ACL_TYPE_ACCESS;
	struct posix_acl_xattr_header header;
	struct posix_acl_xattr_entry one;
	const char *at = value, *end = at + size;

	if (size < sizeof(header) || (size - sizeof(header)) % sizeof(one))
		return -1;
	memcpy(&header, at, sizeof(header));
	if (le32toh(header.a_version) != POSIX_ACL_XATTR_VERSION)
		return -1;
	for (at += sizeof(header); at < end; at += sizeof(one)) {
		memcpy(&one, at, sizeof(one));
		if (add_one(entry, type, &one) < 0)
			return -1;
	}
	return 0;
}
