#include "vzpkg/metadata/installed.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/metadata/installed_read.h"

void installed_add(struct installed *installed, const struct installed_package *package)
{
	installed->packages = xgrow(installed->packages, installed->count, &installed->capacity,
				    sizeof(*installed->packages));
	struct installed_package *added = &installed->packages[installed->count++];
	*added = *package;
	added->name = xstrdup(package->name);
	added->version = xstrdup(package->version);
	added->arch = xstrdup(package->arch);
}

void installed_release(struct installed *installed)
{
	for (size_t i = 0; i < installed->count; i++) {
		free(installed->packages[i].name);
		free(installed->packages[i].version);
		free(installed->packages[i].arch);
	}
	free(installed->packages);
	*installed = INSTALLED_INIT;
}

void installed_set_release(struct installed_set *set)
{
	installed_release(&set->installed);
	free(set->arch);
	free(set->text);
	free(set->offsets);
	*set = INSTALLED_SET_INIT;
}

/* ---- files of a tree that is not ours ---------------------------------------------------------------------------- */

int installed_broken(struct error *err, const char *path, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	autofree char *text = xvasprintf(format, args);
	va_end(args);
	error_set(err, ERROR_PACKAGES, "/%s: %s", path, text);
	return error_subject(err, "/%s", path);
}

int installed_open(int tree, const char *path, uint64_t limit, struct error *err)
{
	autoclose int fd = open_type_in_root(tree, path, S_IFREG);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return error_set(err, ERROR_NO_FILE, "there is no /%s", path);
	if (fd < 0 && errno == ENODEV)
		return installed_broken(err, path, "it is no file");
	if (fd < 0 && errno == EXDEV)
		return installed_broken(err, path,
					"it is on another file system than the VE's root");
	if (fd < 0)
		return installed_broken(err, path, "%s", strerror(errno));
	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "/%s", path);
	if ((uint64_t)st.st_size > limit)
		return installed_broken(err, path, "it is larger than %llu MB",
					(unsigned long long)(limit >> 20));
	return steal_fd(&fd);
}

bool installed_word(const char *word, const char *more)
{
	size_t length = strlen(word);

	for (const char *at = word; *at; at++)
		if (!((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
		      (*at >= '0' && *at <= '9') || strchr(more, *at)))
			return false;
	return length > 0 && length <= INSTALLED_WORD_MAX;
}

/* ---- a set in the making ----------------------------------------------------------------------------------------- */

void installed_builder_add(struct installed_builder *builder,
			   const struct installed_package *package)
{
	builder->ends = xgrow(builder->ends, builder->packages.count, &builder->capacity,
			      sizeof(*builder->ends));
	builder->ends[builder->packages.count] = builder->text.length;
	installed_add(&builder->packages, package);
}

static int by_name(const void *a, const void *b, void *data)
{
	const struct installed_package *packages = data;
	const struct installed_package *x = &packages[*(const size_t *)a];
	const struct installed_package *y = &packages[*(const size_t *)b];
	int order = strcmp(x->name, y->name);

	order = order ?: strcmp(x->arch, y->arch);
	return order ?: strcmp(x->version, y->version);
}

void installed_builder_finish(struct installed_builder *builder, enum package_format format,
			      struct installed_set *ret)
{
	size_t count = builder->packages.count, length = 0;
	struct installed_package *packages = builder->packages.packages;
	autofree size_t *order = xcalloc(count + 1, sizeof(*order));

	*ret = (struct installed_set){
		.format = format,
		.installed.packages = xcalloc(count + 1, sizeof(*packages)),
		.installed.count = count,
		.installed.capacity = count + 1,
		.text = xmalloc(builder->text.length + 1),
		.offsets = xcalloc(count + 1, sizeof(*ret->offsets)),
	};
	for (size_t i = 0; i < count; i++)
		order[i] = i;
	qsort_r(order, count, sizeof(*order), by_name, packages);
	for (size_t i = 0; i < count; i++) {
		size_t from = order[i] ? builder->ends[order[i] - 1] : 0;
		size_t size = builder->ends[order[i]] - from;
		ret->installed.packages[i] = packages[order[i]];
		ret->offsets[i] = length;
		memcpy(ret->text + length, builder->text.text + from, size);
		length += size;
	}
	ret->offsets[count] = length;
	ret->text[length] = '\0';
	digest_data(DIGEST_SHA256, ret->text, length, &ret->digest);
	builder->packages.count = 0; /* their texts have another owner now */
}

void installed_builder_release(struct installed_builder *builder)
{
	installed_release(&builder->packages);
	strbuf_release(&builder->text);
	free(builder->ends);
}

/* ---- fingerprints ------------------------------------------------------------------------------------------------ */

/* As fast as memory, for databases of many megabytes. The key is known: who wants two equal values can have them, and gains nothing. */
int installed_hash_file(int tree, const char *path, uint64_t limit, struct hasher *hasher,
			struct error *err)
{
	enum { PIECE = 1 << 20 };
	static const struct mac_key key;
	AUTO(error_clear) struct error missing = ERROR_INIT;
	autoclose int fd = installed_open(tree, path, limit, &missing);
	autofree char *piece = fd < 0 ? NULL : xmalloc(PIECE);
	uint64_t total = 0;
	ssize_t got;

	if (fd < 0 && missing.kind != ERROR_NO_FILE) {
		error_move(err, &missing);
		return -1;
	}
	hasher_update(hasher, path, strlen(path) + 1);
	while (fd >= 0 && total <= limit && (got = read(fd, piece, PIECE)) != 0) {
		struct mac mac;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_errno(err, errno, "reading /%s", path);
		mac_data(&key, piece, (size_t)got, &mac);
		hasher_update(hasher, &mac, sizeof(mac));
		total += (uint64_t)got;
	}
	hasher_update(hasher, fd < 0 ? "-" : "+", 1);
	return 0;
}

int installed_fingerprint(int tree, enum package_format format, struct digest *ret,
			  struct error *err)
{
	AUTO(hasher_freep) struct hasher *hasher = hasher_new(DIGEST_SHA256);
	int status = format == PACKAGE_RPM ? installed_hash_rpm(tree, hasher, err)
					   : installed_hash_deb(tree, hasher, err);

	if (status == 0)
		hasher_finish(hasher, ret);
	return status;
}

int installed_read(int tree, enum package_format format, struct installed_set *ret,
		   struct error *err)
{
	return format == PACKAGE_RPM ? installed_read_rpm(tree, ret, err)
				     : installed_read_deb(tree, ret, err);
}
