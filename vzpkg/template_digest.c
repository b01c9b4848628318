#include "vzpkg/template_digest.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strbuf.h"

enum { CONTENT_LIMIT = 4 << 20 }; /* of a key file, of a script */

/* Each part with its length in front, so that none can pass for two others. */
static void hash_data(struct hasher *hasher, const void *data, size_t size)
{
	autofree char *length = xasprintf("%zu:", size);
	hasher_update(hasher, length, strlen(length));
	hasher_update(hasher, data, size);
}

static void hash_text(struct hasher *hasher, const char *text)
{
	hash_data(hasher, text, strlen(text));
}

static void hash_list(struct hasher *hasher, const char *title, const struct strvec *list)
{
	autofree char *head = xasprintf("%s %zu", title, list->count);
	hash_text(hasher, head);
	for (size_t i = 0; i < list->count; i++)
		hash_text(hasher, list->items[i]);
}

static int hash_file(struct loader *loader, struct hasher *hasher, const char *path)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	int ret = read_whole(loader, path, CONTENT_LIMIT, &text);
	hash_data(hasher, text.text, text.length);
	return ret < 0 ? -1 : 0;
}

static void hash_repositories(struct hasher *hasher, const struct template *template)
{
	autofree char *head = xasprintf("repositories %zu", template->repository_count);
	hash_text(hasher, head);
	for (size_t i = 0; i < template->repository_count; i++)
		hash_text(hasher, template->repositories[i].text);
}

static void hash_trust(struct hasher *hasher, const struct template *template)
{
	autofree char *head = xasprintf("trust %zu", template->trust_count);
	hash_text(hasher, head);
	for (size_t i = 0; i < template->trust_count; i++) {
		const struct template_trust *trust = &template->trust[i];
		autofree char *text = xasprintf("%s %d%d%d", trust->fingerprint, trust->expired_ok,
						trust->sha1_ok, trust->weak_ok);
		hash_text(hasher, text);
	}
}

static int hash_files(struct loader *loader, struct hasher *hasher)
{
	const struct template *template = loader->template;

	for (size_t i = 0; i < template->key_files.count; i++)
		if (hash_file(loader, hasher, template->key_files.items[i]) < 0)
			return -1;
	for (size_t i = 0; i < SCRIPT_KINDS; i++) {
		if (!template->scripts[i])
			continue;
		hash_text(hasher, template_script_name(i));
		if (hash_file(loader, hasher, template->scripts[i]) < 0)
			return -1;
	}
	return 0;
}

int compute_digest(struct loader *loader)
{
	struct template *template = loader->template;
	AUTO(hasher_freep) struct hasher *hasher = hasher_new(DIGEST_SHA256);
	autofree char *head =
		xasprintf("%d %s %d", TEMPLATE_BUILD_FORMAT, template->text, template->format);

	hash_text(hasher, head);
	hash_list(hasher, "packages", &template->packages);
	hash_list(hasher, "excluded", &template->excluded);
	hash_repositories(hasher, template);
	hash_trust(hasher, template);
	hash_list(hasher, "guest-repositories", &template->guest_repositories);
	hash_list(hasher, "environment", &template->environment);
	if (hash_files(loader, hasher) < 0)
		return -1;
	hasher_finish(hasher, &template->digest);
	return 0;
}
