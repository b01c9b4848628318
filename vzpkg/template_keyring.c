#include "vzpkg/template_keyring.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

int template_keyring_open(const struct template *template, int pm, struct keyring **ret,
			  struct error *err)
{
	struct signature_waiver *waivers = xcalloc(template->trust_count + 1, sizeof(*waivers));

	for (size_t i = 0; i < template->trust_count; i++)
		waivers[i] = (struct signature_waiver){
			.fingerprint = template->trust[i].fingerprint,
			.expired_ok = template->trust[i].expired_ok,
			.sha1_ok = template->trust[i].sha1_ok,
			.weak_ok = template->trust[i].weak_ok,
			.file = template->trust[i].file,
			.line = template->trust[i].line,
		};
	autoclose int homes = dir_open(pm, "keyrings", true, 0700, err);
	int status = homes < 0 ? -1
			       : keyring_open(homes, &template->key_files, waivers,
					      template->trust_count, ret, err);
	free(waivers);
	return status;
}
