#include "base/digest.h"

#include <errno.h>
#include <gcrypt.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/alloc.h"

static const struct {
	const char *name;
	size_t size;
	int algorithm;
} kinds[DIGEST_KINDS] = {
	[DIGEST_NONE] = { "none", 0, GCRY_MD_NONE },
	[DIGEST_MD5] = { "md5", 16, GCRY_MD_MD5 },
	[DIGEST_SHA1] = { "sha1", 20, GCRY_MD_SHA1 },
	[DIGEST_SHA256] = { "sha256", 32, GCRY_MD_SHA256 },
	[DIGEST_SHA512] = { "sha512", 64, GCRY_MD_SHA512 },
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Nothing secret passes through here, so locked memory, which may be refused, is not asked for. */
static void initialise(void)
{
	gcry_check_version(NULL);
	gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
	gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
}

size_t digest_size(enum digest_kind kind)
{
	return kinds[kind].size;
}

const char *digest_kind_name(enum digest_kind kind)
{
	return kinds[kind].name;
}

enum digest_kind digest_kind_parse(const char *name)
{
	static const struct {
		const char *name;
		enum digest_kind kind;
	} names[] = {
		{ "md5", DIGEST_MD5 },        { "md5sum", DIGEST_MD5 },
		{ "sha", DIGEST_SHA1 },       { "sha1", DIGEST_SHA1 },
		{ "sha-1", DIGEST_SHA1 },     { "sha256", DIGEST_SHA256 },
		{ "sha-256", DIGEST_SHA256 }, { "sha512", DIGEST_SHA512 },
		{ "sha-512", DIGEST_SHA512 },
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(names[i].name, name) == 0)
			return names[i].kind;
	return DIGEST_NONE;
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool digest_parse(struct digest *digest, enum digest_kind kind, const char *hex, size_t length)
{
	struct digest parsed = { .kind = kind };
	if (kind == DIGEST_NONE || length != digest_size(kind) * 2)
		return false;
	for (size_t i = 0; i < length; i += 2) {
		int high = nibble(hex[i]), low = nibble(hex[i + 1]);
		if (high < 0 || low < 0)
			return false;
		parsed.bytes[i / 2] = (uint8_t)(high << 4 | low);
	}
	*digest = parsed;
	return true;
}

const char *digest_hex(const struct digest *digest, char text[DIGEST_MAX * 2 + 1])
{
	static const char digits[] = "0123456789abcdef";
	size_t size = digest_size(digest->kind);
	for (size_t i = 0; i < size; i++) {
		text[i * 2] = digits[digest->bytes[i] >> 4];
		text[i * 2 + 1] = digits[digest->bytes[i] & 15];
	}
	text[size * 2] = '\0';
	return text;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return a->kind != DIGEST_NONE && a->kind == b->kind &&
	       memcmp(a->bytes, b->bytes, digest_size(a->kind)) == 0;
}

struct hasher {
	gcry_md_hd_t handle;
	enum digest_kind kind;
};

struct hasher *hasher_new(enum digest_kind kind)
{
	pthread_once(&once, initialise);
	struct hasher *hasher = xcalloc(1, sizeof(*hasher));
	hasher->kind = kind;
	/* Fails for an unknown algorithm or without memory only. */
	if (gcry_md_open(&hasher->handle, kinds[kind].algorithm, 0))
		abort();
	return hasher;
}

void hasher_update(struct hasher *hasher, const void *data, size_t size)
{
	gcry_md_write(hasher->handle, data, size);
}

void hasher_finish(struct hasher *hasher, struct digest *ret)
{
	*ret = (struct digest){ .kind = hasher->kind };
	memcpy(ret->bytes, gcry_md_read(hasher->handle, 0), digest_size(hasher->kind));
}

void hasher_free(struct hasher *hasher)
{
	if (!hasher)
		return;
	gcry_md_close(hasher->handle);
	free(hasher);
}

void hasher_freep(struct hasher **hasher)
{
	hasher_free(*hasher);
	*hasher = NULL;
}

void digest_data(enum digest_kind kind, const void *data, size_t size, struct digest *ret)
{
	pthread_once(&once, initialise);
	*ret = (struct digest){ .kind = kind };
	gcry_md_hash_buffer(kinds[kind].algorithm, ret->bytes, data, size);
}

int mac_key_make(struct mac_key *ret, struct error *err)
{
	if (getrandom(ret->bytes, MAC_SIZE, 0) != MAC_SIZE)
		return error_errno(err, errno, "getting random numbers");
	return 0;
}

void mac_data(const struct mac_key *key, const void *data, size_t size, struct mac *ret)
{
	/* One for all texts: nobody is shown a MAC, and the same text is to have the same one. */
	static const uint8_t nonce[12];
	size_t length = MAC_SIZE;
	gcry_mac_hd_t handle;

	pthread_once(&once, initialise);
	/* Fails without memory only. */
	if (gcry_mac_open(&handle, GCRY_MAC_GMAC_AES, 0, NULL) ||
	    gcry_mac_setkey(handle, key->bytes, MAC_SIZE) ||
	    gcry_mac_setiv(handle, nonce, sizeof(nonce)) || gcry_mac_write(handle, data, size) ||
	    gcry_mac_read(handle, ret->bytes, &length))
		abort();
	gcry_mac_close(handle);
}

int digest_fd(enum digest_kind kind, int fd, const char *name, struct digest *ret,
	      struct error *err)
{
	char buffer[65536];
	struct hasher *hasher = hasher_new(kind);
	ssize_t got;

	while ((got = read(fd, buffer, sizeof(buffer))) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			break;
		hasher_update(hasher, buffer, (size_t)got);
	}
	hasher_finish(hasher, ret);
	hasher_free(hasher);
	return got < 0 ? error_errno(err, errno, "reading %s", name) : 0;
}
