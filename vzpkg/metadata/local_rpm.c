#include <rpm/header.h>
#include <rpm/rpmio.h>
#include <rpm/rpmlib.h>
#include <rpm/rpmlog.h>
#include <rpm/rpmts.h>

#include "vzpkg/fetch/rpm_library.h"
#include "vzpkg/metadata/installed_rpm.h"
#include "vzpkg/metadata/local_read.h"

static Header read_header(void)
{
	Header header = NULL;
	rpmts ts = rpmtsCreate();
	FD_t file = Fopen(LOCAL_FILE, "r.ufdio");

	rpmtsSetVSFlags(ts, _RPMVSF_NODIGESTS | _RPMVSF_NOSIGNATURES);
	if (file && rpmReadPackageFile(ts, file, LOCAL_FILE, &header) != RPMRC_OK)
		header = headerFree(header);
	if (file)
		Fclose(file);
	rpmtsFree(ts);
	return header;
}

int local_read_rpm(int output, void *data, struct error *err)
{
	int ret;

	(void)data;
	rpm_library_listen(NULL, RPMLOG_ERR);
	Header header = read_header();
	if (!header)
		return error_set(err, ERROR_INSTALL, "it is no rpm package that can be read");
	if (!headerIsEntry(header, RPMTAG_SOURCERPM))
		ret = error_set(err, ERROR_INSTALL, "it is a source package");
	else
		ret = installed_rpm_dump(header, output, err);
	headerFree(header);
	return ret;
}
