#include "vzpkg/install/package_files.h"

#include <rpm/header.h>
#include <rpm/rpmfiles.h>
#include <rpm/rpmlib.h>
#include <rpm/rpmlog.h>
#include <rpm/rpmpgp.h>
#include <rpm/rpmts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/fetch/rpm_library.h"
#include "vzpkg/install/deb_control.h"

static struct package_file *add(struct package_files *files, const char *path)
{
	files->items = xgrow(files->items, files->count, &files->capacity, sizeof(*files->items));
	struct package_file *file = &files->items[files->count++];
	*file = (struct package_file){ .path = xstrdup(path + strspn(path, "./")) };
	return file;
}

void package_files_release(struct package_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(files->items[i].path);
	free(files->items);
	*files = PACKAGE_FILES_INIT;
}

/* ---- deb ------------------------------------------------------------------------------------- */

/* Lines of md5sum(1). Configuration files have none (dh_md5sums(1)). */
static void read_md5sums(const char *text, struct package_files *files)
{
	enum { HEX = 32 };
	while (*text) {
		size_t length = strcspn(text, "\n");
		struct digest digest;
		if (length > HEX + 2 && digest_parse(&digest, DIGEST_MD5, text, HEX)) {
			autofree char *path = xstrndup(text + HEX + 2, length - HEX - 2);
			add(files, path)->digest = digest;
		}
		text += length + (text[length] == '\n');
	}
}

static int read_deb(int fd, const char *name, struct package_files *ret, struct error *err)
{
	AUTO(deb_archive_freep) struct deb_archive *deb = NULL;
	AUTO(deb_control_release) struct deb_control control = DEB_CONTROL_INIT;

	if (deb_archive_open(fd, name, &deb, err) < 0 ||
	    deb_control_read(deb, name, &control, err) < 0)
		return -1;
	const struct control_file *sums = deb_control_find(&control, "md5sums");
	if (sums)
		read_md5sums(sums->content.text, ret);
	return 0;
}

/* ---- rpm ------------------------------------------------------------------------------------- */

static enum digest_kind kind_of(int algorithm)
{
	switch (algorithm) {
	case PGPHASHALGO_MD5:
		return DIGEST_MD5;
	case PGPHASHALGO_SHA1:
		return DIGEST_SHA1;
	case PGPHASHALGO_SHA256:
		return DIGEST_SHA256;
	case PGPHASHALGO_SHA512:
		return DIGEST_SHA512;
	default:
		return DIGEST_NONE;
	}
}

static void read_header(Header header, struct package_files *ret)
{
	rpmfiles files = rpmfilesNew(NULL, header, RPMTAG_BASENAMES, RPMFI_FLAGS_QUERY);
	int count = rpmfilesFC(files);

	for (int i = 0; i < count; i++) {
		rpmfileAttrs flags = rpmfilesFFlags(files, i);
		int algorithm = 0;
		size_t size = 0;
		const unsigned char *bytes = rpmfilesFDigest(files, i, &algorithm, &size);
		enum digest_kind kind = kind_of(algorithm);
		if (!S_ISREG(rpmfilesFMode(files, i)) || flags & RPMFILE_GHOST || !bytes ||
		    kind == DIGEST_NONE || size != digest_size(kind))
			continue;
		const char *languages = rpmfilesFLangs(files, i);
		char *path = rpmfilesFN(files, i);
		struct package_file *file = add(ret, path);
		file->digest.kind = kind;
		memcpy(file->digest.bytes, bytes, size);
		file->may_differ = flags & RPMFILE_CONFIG;
		/* Languages are left out, too. */
		file->may_lack = flags & (RPMFILE_CONFIG | RPMFILE_DOC | RPMFILE_MISSINGOK) ||
				 (languages && *languages);
		free(path);
	}
	rpmfilesFree(files);
}

static int read_rpm(int fd, const char *name, struct package_files *ret, struct error *err)
{
	AUTO(strbuf_release) struct strbuf said = STRBUF_INIT;
	Header header = NULL;

	if (rpm_library_open(err) < 0)
		return -1;
	rpm_library_listen(&said, RPMLOG_ERR);
	rpmts ts = rpmtsCreate();
	/* The whole file was compared with its digest already. */
	rpmtsSetVSFlags(ts, RPMVSF_MASK_NODIGESTS | RPMVSF_MASK_NOSIGNATURES);
	FD_t file = fdDup(fd);
	if (file)
		rpmReadPackageFile(ts, file, name, &header);
	Fclose(file);
	rpmtsFree(ts);
	rpm_library_listen(NULL, RPMLOG_ERR);
	if (!header)
		return error_set(err, ERROR_TRUST, "%s: its header cannot be read: %s", name,
				 said.text);
	read_header(header, ret);
	headerFree(header);
	return 0;
}

int package_files_read(enum package_format format, int fd, const char *name,
		       struct package_files *ret, struct error *err)
{
	return format == PACKAGE_DEB ? read_deb(fd, name, ret, err) : read_rpm(fd, name, ret, err);
}
