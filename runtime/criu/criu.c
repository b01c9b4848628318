#include "runtime/criu/criu.h"

#include <ctype.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "runtime/criu/criu.pb-c.h"

#define LOG_NAME "criu.log"

enum {
	MESSAGE_MAX = 1 << 20,
	LOG_MAX = 16 << 20,
	LOG_WARNINGS = 2,
	/* Of its enums criu_cg_mode and criu_network_lock_method. */
	CGROUPS_ARE_OURS = 0,
	LOCK_NFTABLES = 2,
	LOCK_SKIP = 3,
};

char *criu_find(const char *named, struct error *err)
{
	static const char *const usual[] = { "/usr/local/sbin/criu", "/usr/sbin/criu",
					     "/usr/local/bin/criu", "/usr/bin/criu" };
	if (named && access(named, X_OK) == 0)
		return xstrdup(named);
	for (size_t i = 0; !named && i < sizeof(usual) / sizeof(*usual); i++)
		if (access(usual[i], X_OK) == 0)
			return xstrdup(usual[i]);
	error_set(err, ERROR_TECHNOLOGY, "CRIU, which writes processes to disk, is not there%s%s",
		  named ? ": " : "", named ?: "");
	error_hint(err, "install criu (Linux 6.13 and newer want 4.1 or newer), or say "
			"CRIU=/path/to/criu in vz.conf");
	return NULL;
}

int criu_execute(const char *program, int socket)
{
	char number[16];
	snprintf(number, sizeof(number), "%d", socket);
	execl(program, program, "swrk", number, NULL);
	return -1;
}

/* ---- messages --------------------------------------------------------------------------------------- */

static int send_request(int socket, const CriuRequest *request, struct error *err)
{
	size_t size = criu_request__get_packed_size(request);
	autofree uint8_t *bytes = xmalloc(size);
	criu_request__pack(request, bytes);
	if (TEMP_FAILURE_RETRY(send(socket, bytes, size, MSG_NOSIGNAL)) != (ssize_t)size)
		return error_errno(err, errno, "asking CRIU");
	return 0;
}

static CriuResponse *receive_response(int socket, struct error *err)
{
	autofree uint8_t *bytes = xmalloc(MESSAGE_MAX);
	ssize_t size = TEMP_FAILURE_RETRY(recv(socket, bytes, MESSAGE_MAX, 0));
	CriuResponse *response =
		size <= 0 ? NULL : criu_response__unpack(NULL, (size_t)size, bytes);
	if (!response)
		error_set(err, ERROR_CHILD, "CRIU ended without an answer");
	return response;
}

static void free_response(CriuResponse **response)
{
	if (*response)
		criu_response__free_unpacked(*response, NULL);
}

int criu_ask_version(int socket, struct criu_version *ret, struct error *err)
{
	CriuRequest request = CRIU_REQUEST__INIT;
	request.type = CRIU_REQUEST_TYPE__VERSION;
	if (send_request(socket, &request, err) < 0)
		return -1;
	AUTO(free_response) CriuResponse *response = receive_response(socket, err);
	if (!response)
		return -1;
	if (!response->success || !response->version)
		return error_set(err, ERROR_CHILD, "CRIU does not say which version it is");
	*ret = (struct criu_version){ response->version->major_number,
				      response->version->minor_number };
	return 0;
}

/* ---- why it failed ------------------------------------------------------------------------------------ */

/* What it says where it needs no more than it has. */
static bool is_harmless(const char *line)
{
	return strstr(line, "RLIMIT_NOFILE") || strstr(line, "FAILED.");
}

/* The first error of its log, without the time and the place in its source; to be freed, or NULL. */
static char *first_error(int images)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	if (file_read(images, LOG_NAME, LOG_MAX, &text, NULL) < 0)
		return NULL;
	char *rest = text.text;
	for (char *line; (line = strsep(&rest, "\n"));) {
		char *error = strstr(line, "Error (");
		char *said = error ? strstr(error, "): ") : NULL;
		if (said && !is_harmless(line))
			return xstrdup(said + 3);
	}
	return NULL;
}

/* `response` may be NULL. */
static int failed(const struct criu_request *request, const CriuResponse *response,
		  struct error *err)
{
	autofree char *said = first_error(request->images);
	if (!said && !response)
		return -1; /* *err says so */
	if (!said && response->cr_errmsg)
		said = xstrdup(response->cr_errmsg);
	for (size_t length = said ? strlen(said) : 0;
	     length && isspace((unsigned char)said[length - 1]);)
		said[--length] = '\0';
	return error_set(err,
			 said && strstr(said, strerror(ENOSPC)) ? ERROR_NO_SPACE : ERROR_TECHNOLOGY,
			 "CRIU cannot do it: %s", said ?: "it does not say why");
}

/* ---- asking --------------------------------------------------------------------------------------------- */

static int call_step(const struct criu_request *request, const CriuNotice *notice,
		     struct error *err)
{
	static const struct {
		const char *script;
		enum criu_step step;
	} steps[] = {
		{ "post-dump", CRIU_IMAGES_WRITTEN },
		{ "setup-namespaces", CRIU_NAMESPACES_MADE },
		{ "post-restore", CRIU_PROCESSES_MADE },
	};
	for (size_t i = 0; notice && notice->script && i < sizeof(steps) / sizeof(*steps); i++)
		if (!strcmp(notice->script, steps[i].script))
			return request->step(steps[i].step, notice->has_pid ? notice->pid : 0,
					     request->data, err);
	return 0;
}

/* Until the answer, which is to be freed; NULL with *err. *step is the error of a step. */
static CriuResponse *converse(int socket, const struct criu_request *request, struct error *step,
			      struct error *err)
{
	CriuResponse *response;
	while ((response = receive_response(socket, err)) &&
	       response->type == CRIU_REQUEST_TYPE__NOTIFY) {
		CriuRequest answer = CRIU_REQUEST__INIT;
		answer.type = CRIU_REQUEST_TYPE__NOTIFY;
		answer.has_notify_success = true;
		answer.notify_success =
			!step->message && call_step(request, response->notify, step) == 0;
		free_response(&response);
		if (send_request(socket, &answer, err) < 0)
			return NULL;
	}
	return response;
}

#define SET(options, field, value) ((options)->has_##field = true, (options)->field = (value))

static void fill(const struct criu_request *request, CriuOptions *options)
{
	options->images_dir_fd = request->images;
	options->n_external = request->external->count;
	options->external = request->external->items;
	SET(options, log_level, LOG_WARNINGS);
	SET(options, notify_scripts, true);
	SET(options, tcp_established, true);
	SET(options, file_locks, true);
	SET(options, ext_unix_sk, true);
	SET(options, link_remap, true);
	SET(options, manage_cgroups, true);
	SET(options, manage_cgroups_mode, CGROUPS_ARE_OURS);
	SET(options, empty_ns, CLONE_NEWNET);
	SET(options, network_lock, request->locks_network ? LOCK_NFTABLES : LOCK_SKIP);
	if (request->unprivileged)
		SET(options, unprivileged, true);
	if (request->pid) {
		SET(options, pid, request->pid);
		SET(options, leave_running, false);
	} else {
		SET(options, rst_sibling, true);
		options->root = (char *)(uintptr_t)request->root;
	}
}

int criu_ask(int socket, const struct criu_request *request, struct error *err)
{
	AUTO(error_clear) struct error step = ERROR_INIT;
	CriuRequest message = CRIU_REQUEST__INIT;
	CriuOptions options = CRIU_OPTIONS__INIT;
	CriuInherited inherited = CRIU_INHERITED__INIT, *list[] = { &inherited };
	char log_name[] = LOG_NAME;
	fill(request, &options);
	options.log_file = log_name;
	if (request->inherited_key) {
		inherited.key = (char *)(uintptr_t)request->inherited_key;
		inherited.fd = request->inherited_fd;
		options.n_inherit_fd = 1;
		options.inherit_fd = list;
	}
	message.type = request->pid ? CRIU_REQUEST_TYPE__DUMP : CRIU_REQUEST_TYPE__RESTORE;
	message.opts = &options;
	if (send_request(socket, &message, err) < 0)
		return -1;
	AUTO(free_response) CriuResponse *response = converse(socket, request, &step, err);
	if (step.message) {
		error_move(err, &step);
		return -1;
	}
	if (!response || !response->success)
		return failed(request, response, err);
	return 0;
}
