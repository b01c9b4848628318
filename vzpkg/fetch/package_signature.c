#include "vzpkg/fetch/package_signature.h"

#include <fcntl.h>
#include <rpm/rpmcli.h>
#include <rpm/rpmlib.h>
#include <rpm/rpmlog.h>
#include <rpm/rpmpgp.h>
#include <rpm/rpmts.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/fetch/keyring.h"
#include "vzpkg/fetch/rpm_library.h"

#define ARMOR_BEGIN "-----BEGIN PGP PUBLIC KEY BLOCK-----"

enum { KEY_FILE_MAX = 4 << 20, BITS_MIN = 2048 };

struct certificate {
	uint8_t *packet;
	size_t size;
};

struct package_keys {
	const struct keyring *keyring;
	rpmKeyring ring;
	struct certificate *certificates;
	size_t count, capacity;
};

/* ---- keys -------------------------------------------------------------------------------------------- */

static char *hex_of(const uint8_t *bytes, size_t size)
{
	char *text = xmalloc(size * 2 + 1);
	for (size_t i = 0; i < size; i++)
		snprintf(text + i * 2, 3, "%02X", bytes[i]);
	text[size * 2] = '\0';
	return text;
}

static bool is_trusted(const struct package_keys *keys, const uint8_t *packet, size_t size)
{
	uint8_t *print = NULL;
	size_t length = 0;

	if (pgpPubkeyFingerprint(packet, size, &print, &length) != 0)
		return false;
	autofree char *fingerprint = hex_of(print, length);
	free(print);
	return keyring_waiver(keys->keyring, fingerprint) != NULL;
}

static void add_subkeys(struct package_keys *keys, rpmPubkey key)
{
	int count = 0;
	rpmPubkey *subkeys = rpmGetSubkeys(key, &count);

	for (int i = 0; i < count; i++) {
		rpmKeyringAddKey(keys->ring, subkeys[i]);
		rpmPubkeyFree(subkeys[i]);
	}
	free(subkeys);
}

enum { PACKET_KEY = 6, PACKET_USER = 13 };

/* The whole length of a packet of that kind; 0 if it is none. RFC 4880, 4.2, without lengths that keys do not need. */
static size_t packet_size(const uint8_t *packet, size_t size, unsigned kind)
{
	size_t length = 0;

	if (size < 4)
		return 0;
	if (packet[0] == (0x80 | kind << 2))
		length = 2 + (size_t)packet[1];
	else if (packet[0] == (0x80 | kind << 2 | 1))
		length = 3 + ((size_t)packet[1] << 8 | packet[2]);
	else if (packet[0] == (0xc0 | kind) && packet[1] < 192)
		length = 2 + (size_t)packet[1];
	else if (packet[0] == (0xc0 | kind) && packet[1] < 224)
		length = 3 + ((size_t)(packet[1] - 192) << 8) + packet[2] + 192;
	return length <= size ? length : 0;
}

/*
 * librpm 4.18 takes no certificate in which anybody's signature has a critical part that it does not know: in those of CentOS 2 to 5, the
 * day when somebody else's signature expires. The fingerprint that the template names is that of the key alone, which with the
 * user's name stands at the beginning.
 */
static rpmPubkey read_key(const uint8_t *packet, size_t *size)
{
	rpmPubkey key = rpmPubkeyNew(packet, *size);
	size_t length = key ? 0 : packet_size(packet, *size, PACKET_KEY);

	if (!length)
		return key;
	*size = length + packet_size(packet + length, *size - length, PACKET_USER);
	return rpmPubkeyNew(packet, *size);
}

static void add_certificate(struct package_keys *keys, const uint8_t *packet, size_t size)
{
	if (!is_trusted(keys, packet, size))
		return;
	rpmPubkey key = read_key(packet, &size);
	if (!key)
		return;
	if (rpmKeyringAddKey(keys->ring, key) == 0) {
		add_subkeys(keys, key);
		keys->certificates = xgrow(keys->certificates, keys->count, &keys->capacity,
					   sizeof(*keys->certificates));
		struct certificate *to = &keys->certificates[keys->count++];
		*to = (struct certificate){ .packet = xmalloc(size), .size = size };
		memcpy(to->packet, packet, size);
	}
	rpmPubkeyFree(key);
}

/* Several certificates may follow each other in one block. */
static void add_packets(struct package_keys *keys, const uint8_t *packets, size_t size)
{
	size_t length;

	while (size && pgpPubKeyCertLen(packets, size, &length) == 0 && length && length <= size) {
		add_certificate(keys, packets, length);
		packets += length;
		size -= length;
	}
}

static void add_armored(struct package_keys *keys, const char *block)
{
	uint8_t *packets = NULL;
	size_t size = 0;

	if (pgpParsePkts(block, &packets, &size) == PGPARMOR_PUBKEY)
		add_packets(keys, packets, size);
	free(packets);
}

static int add_file(struct package_keys *keys, const char *path, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;

	if (file_read(AT_FDCWD, path, KEY_FILE_MAX, &text, err) < 0)
		return -1;
	char *block = strstr(text.text, ARMOR_BEGIN);
	if (!block)
		add_packets(keys, (const uint8_t *)text.text, text.length);
	while (block) {
		char *next = strstr(block + 1, ARMOR_BEGIN);
		autofree char *alone =
			next ? xstrndup(block, (size_t)(next - block)) : xstrdup(block);
		add_armored(keys, alone);
		block = next;
	}
	return 0;
}

int package_keys_open(struct keyring *keyring, const struct strvec *key_files,
		      struct package_keys **ret, struct error *err)
{
	if (rpm_library_open(err) < 0)
		return -1;
	AUTO(package_keys_freep) struct package_keys *keys = xcalloc(1, sizeof(*keys));
	keys->keyring = keyring;
	keys->ring = rpmKeyringNew();
	for (size_t i = 0; keyring && i < key_files->count; i++)
		if (add_file(keys, key_files->items[i], err) < 0)
			return -1;
	*ret = steal_ptr(keys);
	return 0;
}

void package_keys_free(struct package_keys *keys)
{
	if (!keys)
		return;
	for (size_t i = 0; i < keys->count; i++)
		free(keys->certificates[i].packet);
	free(keys->certificates);
	rpmKeyringFree(keys->ring);
	free(keys);
}

void package_keys_freep(struct package_keys **keys)
{
	package_keys_free(*keys);
	*keys = NULL;
}

rpmKeyring package_keys_ring(const struct package_keys *keys)
{
	return keys->ring;
}

int package_keys_each(const struct package_keys *keys,
		      int (*each)(const uint8_t *packet, size_t size, void *data), void *data)
{
	for (size_t i = 0; i < keys->count; i++)
		if (each(keys->certificates[i].packet, keys->certificates[i].size, data) < 0)
			return -1;
	return 0;
}

/* ---- one signature ----------------------------------------------------------------------------------- */

struct check {
	const struct package_keys *keys;
	const char *name;
	struct package_identity *identity;
	unsigned signatures;
	struct error *err;
};

static int refuse_unknown(const struct check *check, const char *id)
{
	const struct keyring *keyring = check->keys->keyring;
	const struct known_key *key = keyring ? keyring_find(keyring, id) : NULL;
	const char *file = keyring && keyring->waiver_count ? keyring->waivers[0].file : "trust";

	error_set(check->err, ERROR_TRUST,
		  "%s is not signed by a key that this template trusts, but by %s%s%s%s",
		  check->name, key ? key->primary : id, key ? " (" : "", key ? key->user : "",
		  key ? ")" : "");
	return error_hint(
		check->err,
		"if it is the distribution's key: put it into gpgkeys/ and its fingerprint into %s",
		file);
}

/* Which line of `trust` would do. */
static int hint_waiver(const struct check *check, const struct signature_waiver *waiver,
		       bool expired, bool sha1, bool weak)
{
	return error_hint(
		check->err, "if you accept that for this release, line %u of %s is to be: %s%s%s%s",
		waiver->line, waiver->file, waiver->fingerprint,
		waiver->expired_ok || expired ? " expired" : "",
		waiver->sha1_ok || sha1 ? " sha1" : "", waiver->weak_ok || weak ? " weak" : "");
}

static bool is_short(const struct known_key *key, unsigned algorithm)
{
	return key->bits < BITS_MIN &&
	       (algorithm == PGPPUBKEYALGO_RSA || algorithm == PGPPUBKEYALGO_DSA);
}

/* Good or bad is for librpm to say; this is about whether good is good enough. */
static int check_waivers(const struct check *check, pgpDigParams signature,
			 const struct known_key *key, const struct signature_waiver *waiver)
{
	unsigned digest = pgpDigParamsAlgo(signature, PGPVAL_HASHALGO);
	unsigned algorithm = pgpDigParamsAlgo(signature, PGPVAL_PUBKEYALGO);
	bool sha1 = digest == PGPHASHALGO_SHA1 || digest == PGPHASHALGO_RIPEMD160;
	bool weak = is_short(key, algorithm) || digest == PGPHASHALGO_MD5;
	bool expired = key->expires && key->expires < time(NULL);

	if (expired && !waiver->expired_ok) {
		char day[16];
		time_t when = (time_t)key->expires;
		struct tm tm;
		strftime(day, sizeof(day), "%Y-%m-%d", gmtime_r(&when, &tm));
		error_set(check->err, ERROR_TRUST, "%s: the signing key %s (%s) has expired on %s",
			  check->name, key->primary, key->user, day);
		return hint_waiver(check, waiver, expired, sha1, weak);
	}
	if ((!sha1 || waiver->sha1_ok) && (!weak || waiver->weak_ok))
		return 0;
	const char *kind = pgpValString(PGPVAL_PUBKEYALGO, (uint8_t)algorithm);
	if (sha1 && !waiver->sha1_ok)
		error_set(check->err, ERROR_TRUST,
			  "weak signature of %s by key %s (%s): made over %s", check->name,
			  key->primary, key->user, pgpValString(PGPVAL_HASHALGO, (uint8_t)digest));
	else
		error_set(check->err, ERROR_TRUST,
			  "weak signature of %s by key %s (%s): a %s key of %u bits", check->name,
			  key->primary, key->user, kind, key->bits);
	return hint_waiver(check, waiver, expired, sha1, weak);
}

static int check_signature(struct check *check, pgpDigParams signature)
{
	const struct keyring *keyring = check->keys->keyring;
	autofree char *id = hex_of(pgpDigParamsSignID(signature), 8);
	const struct known_key *key = keyring ? keyring_find(keyring, id) : NULL;
	const struct signature_waiver *waiver = key ? keyring_waiver(keyring, key->primary) : NULL;

	check->signatures++;
	if (!waiver)
		return refuse_unknown(check, id);
	snprintf(check->identity->signer, sizeof(check->identity->signer), "%s", key->primary);
	return check_waivers(check, signature, key, waiver);
}

static int check_tag(struct check *check, Header header, rpmTagVal tag)
{
	rpmtd data = rpmtdNew();
	pgpDigParams signature = NULL;
	int ret = 0;

	if (headerGet(header, tag, data, HEADERGET_MINMEM) && data->data &&
	    pgpPrtParams(data->data, data->count, PGPTAG_SIGNATURE, &signature) == 0 && signature)
		ret = check_signature(check, signature);
	pgpDigParamsFree(signature);
	rpmtdFreeData(data);
	rpmtdFree(data);
	return ret;
}

/* ---- the package ------------------------------------------------------------------------------------- */

static char *header_text(Header header, rpmTagVal tag)
{
	char *text = headerGetAsString(header, tag);
	char *copy = xstrdup(text ?: "");
	free(text);
	return copy;
}

static int64_t newest_file(Header header)
{
	rpmtd times = rpmtdNew();
	int64_t newest = 0;

	headerGet(header, RPMTAG_FILEMTIMES, times, HEADERGET_MINMEM);
	while (rpmtdNext(times) >= 0)
		if ((int64_t)rpmtdGetNumber(times) > newest)
			newest = (int64_t)rpmtdGetNumber(times);
	rpmtdFreeData(times);
	rpmtdFree(times);
	return newest;
}

static void read_identity(Header header, struct package_identity *ret)
{
	autofree char *version = header_text(header, RPMTAG_EVR);

	ret->name = header_text(header, RPMTAG_NAME);
	ret->version = xstrdup(strncmp(version, "0:", 2) == 0 ? version + 2 : version);
	ret->arch = header_text(header, RPMTAG_ARCH);
	ret->newest = newest_file(header);
}

void package_identity_release(struct package_identity *identity)
{
	free(identity->name);
	free(identity->version);
	free(identity->arch);
	*identity = (struct package_identity){ 0 };
}

static Header read_header(rpmts ts, int fd, const char *name)
{
	Header header = NULL;
	FD_t file = fdDup(fd);

	rpmRC status = file ? rpmReadPackageFile(ts, file, name, &header) : RPMRC_FAIL;
	if (file)
		Fclose(file);
	if (status == RPMRC_FAIL || status == RPMRC_NOTFOUND)
		return headerFree(header);
	return header;
}

/* Without "error: " and the file's place in the store. */
static char *trim_reason(const char *line, size_t length)
{
	static const char prefix[] = "error: ";
	const char *end = line + length;

	line += strspn(line, " \t");
	if (strncmp(line, prefix, strlen(prefix)) == 0)
		line += strlen(prefix);
	const char *colon = *line == '/' ? strstr(line, ": ") : NULL;
	if (colon && colon < end)
		line = colon + 2;
	return xstrndup(line, (size_t)(end - line));
}

/* The line of librpm's report that tells what is wrong: what is bad, rather than what is not there. */
static char *find_reason(const struct strbuf *said)
{
	static const char *const telling[] = { "BAD", "error:", "NOKEY", "NOTFOUND" };

	for (size_t i = 0; i < sizeof(telling) / sizeof(telling[0]); i++)
		for (const char *line = said->text; *line;) {
			size_t length = strcspn(line, "\n");
			if (memmem(line, length, telling[i], strlen(telling[i])))
				return trim_reason(line, length);
			line += length + (line[length] == '\n');
		}
	return xstrdup("it is cut short, or its header is damaged");
}

static int refuse_damaged(const struct check *check, const struct strbuf *said)
{
	autofree char *reason = find_reason(said);

	error_set(check->err, ERROR_TRUST, "%s is damaged, or not what was signed: %s", check->name,
		  reason);
	return error_hint(
		check->err,
		"the mirror, or something on the way to it, is broken: try another mirror");
}

static int refuse_unsigned(const struct check *check)
{
	error_set(check->err, ERROR_TRUST, "%s is not signed", check->name);
	return error_hint(check->err,
			  "its repository signs neither its metadata nor this package; sign it "
			  "with a key of the template, or write \"unsigned\" at the end of the "
			  "repository's line to accept that for all of it");
}

static const rpmTagVal signature_tags[] = { RPMTAG_RSAHEADER, RPMTAG_DSAHEADER, RPMTAG_SIGPGP,
					    RPMTAG_SIGGPG };

enum { SIGNATURE_TAGS = sizeof(signature_tags) / sizeof(signature_tags[0]) };

static int judge(struct check *check, Header header, bool is_good, bool must_be_signed,
		 const struct strbuf *said)
{
	if (!header)
		return refuse_damaged(check, said);
	read_identity(header, check->identity);
	for (size_t i = 0; must_be_signed && i < SIGNATURE_TAGS; i++)
		if (check_tag(check, header, signature_tags[i]) < 0)
			return -1;
	if (must_be_signed && !check->signatures)
		return refuse_unsigned(check);
	return is_good ? 0 : refuse_damaged(check, said);
}

/* MD5 is over header and payload; the header's own digest or signature covers the one, and the header's digest of it the other. */
rpmVSFlags package_redundant_digests(Header header)
{
	bool strong = headerIsEntry(header, RPMTAG_PAYLOADDIGEST) &&
		      headerIsEntry(header, RPMTAG_SHA256HEADER);
	return strong ? RPMVSF_NOMD5 : 0;
}

int package_verify(const struct package_keys *keys, int fd, const char *name, bool must_be_signed,
		   struct package_identity *ret, struct error *err)
{
	AUTO(strbuf_release) struct strbuf said = STRBUF_INIT;
	struct rpmQVKArguments_s arguments = { .qva_flags = VERIFY_ALL };
	struct check check = { .keys = keys, .name = name, .identity = ret, .err = err };

	*ret = (struct package_identity){ 0 };
	rpm_library_listen(&said, RPMLOG_NOTICE);
	rpmts ts = rpmtsCreate();
	rpmtsSetKeyring(ts, keys->ring);
	rpmtsSetVSFlags(ts, 0);
	rpmtsSetVfyLevel(ts, RPMSIG_DIGEST_TYPE | (must_be_signed ? RPMSIG_SIGNATURE_TYPE : 0));

	Header header = read_header(ts, fd, name);
	lseek(fd, 0, SEEK_SET);
	/* Where the metadata vouches for the package, a key that nobody has is no mistake. */
	rpmtsSetVfyFlags(ts, (header ? package_redundant_digests(header) : 0) |
				     (must_be_signed ? 0 : RPMVSF_MASK_NOSIGNATURES));
	FD_t file = fdDup(fd);
	bool is_good = file && rpmVerifySignatures(&arguments, ts, file, name) == 0;
	if (file)
		Fclose(file);
	int status = judge(&check, header, is_good, must_be_signed, &said);
	if (status < 0)
		error_subject(err, "%s", name);
	headerFree(header);
	rpmtsFree(ts);
	rpm_library_listen(NULL, 0);
	lseek(fd, 0, SEEK_SET);
	return status;
}

/* ---- what need not be signed -------------------------------------------------------------------------- */

enum signed_by { BY_NOBODY, BY_KNOWN, BY_UNKNOWN, BY_NONSENSE };

static enum signed_by signer_of_tag(const struct package_keys *keys, Header header, rpmTagVal tag)
{
	enum signed_by by = BY_NOBODY;
	pgpDigParams signature = NULL;
	rpmtd data = rpmtdNew();

	if (headerGet(header, tag, data, HEADERGET_MINMEM)) {
		by = BY_NONSENSE;
		if (data->data &&
		    pgpPrtParams(data->data, data->count, PGPTAG_SIGNATURE, &signature) == 0 &&
		    signature) {
			autofree char *id = hex_of(pgpDigParamsSignID(signature), 8);
			by = keys->keyring && keyring_find(keys->keyring, id) ? BY_KNOWN
									      : BY_UNKNOWN;
		}
	}
	pgpDigParamsFree(signature);
	rpmtdFreeData(data);
	rpmtdFree(data);
	return by;
}

/* The worst that is found: one signature that is not known is enough for librpm to find fault with all. */
static enum signed_by signer_of(const struct package_keys *keys, int fd, const char *name)
{
	enum signed_by worst = BY_NOBODY;
	rpmts ts = rpmtsCreate();

	rpmtsSetVSFlags(ts, _RPMVSF_NODIGESTS | _RPMVSF_NOSIGNATURES);
	Header header = read_header(ts, fd, name);
	lseek(fd, 0, SEEK_SET);
	for (size_t i = 0; header && i < SIGNATURE_TAGS; i++) {
		enum signed_by by = signer_of_tag(keys, header, signature_tags[i]);
		worst = by > worst ? by : worst;
	}
	headerFree(header);
	rpmtsFree(ts);
	return worst;
}

int package_verify_optional(const struct package_keys *keys, int fd, const char *name,
			    struct package_identity *ret, struct error *err)
{
	enum signed_by by = signer_of(keys, fd, name);

	*ret = (struct package_identity){ 0 };
	if (by == BY_NONSENSE)
		return error_set(err, ERROR_TRUST, "%s has a signature that cannot be read", name);
	return package_verify(keys, fd, name, by == BY_KNOWN, ret, err);
}
