/* HTTP/2 and certificates, with nginx. The system's certificates are replaced by the server's own in
 * mounts of the test's own. */
#include "tests/unit/vzpkg-fetch/server.h"

#include <sched.h>
#include <stdio.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include "vzpkg/fetch/http.h"

#define CERTIFICATES "/etc/ssl/certs/ca-certificates.crt" /* Debian's libcurl reads this */

enum { COUNT = 20 };

static char *tls_data(const char *name)
{
	const char *top = getenv("VZPKG_TOP");
	autofree char *path = xasprintf("%s/tests/data/tls/%s", top ? top : ".", name);
	char *absolute = realpath(path, NULL);
	assert_non_null(absolute);
	return absolute;
}

static unsigned free_port(void)
{
	autoclose int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	return ntohs(address.sin_port);
}

static void write_conf(const struct world *world, const char *protocol)
{
	autofree char *certificate = tls_data("server.crt"), *key = tls_data("server.key");
	autofree char *conf = xasprintf(
		"daemon off; master_process off; error_log %s/error.log; pid %s/pid;\n"
		"events { worker_connections 64; }\n"
		"http { log_format test '$request_method $server_protocol connection=$connection "
		"';\n"
		"access_log %s/log test; client_body_temp_path %s/body; proxy_temp_path %s/proxy;\n"
		"fastcgi_temp_path %s/fastcgi; uwsgi_temp_path %s/uwsgi; scgi_temp_path %s/scgi;\n"
		"server { listen 127.0.0.1:%u ssl %s; root %s/root;\n"
		"ssl_certificate %s; ssl_certificate_key %s; } }\n",
		world->dir, world->dir, world->dir, world->dir, world->dir, world->dir, world->dir,
		world->dir, world->port, protocol, world->dir, certificate, key);
	put_text(world, "nginx.conf", conf);
}

static bool listens(unsigned port)
{
	autoclose int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons((uint16_t)port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

static void start_nginx(struct world *world, const char *protocol)
{
	world->port = free_port();
	write_conf(world, protocol);
	world->server = fork();
	assert_true(world->server >= 0);
	if (world->server == 0) {
		autofree char *conf = xasprintf("%s/nginx.conf", world->dir);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl("/usr/sbin/nginx", "nginx", "-c", conf, NULL);
		_exit(127);
	}
	for (int i = 0; i < 1000 && !listens(world->port); i++)
		usleep(10000);
}

static int setup(void **state)
{
	struct world *world = xcalloc(1, sizeof(*world));
	make_world(world);
	put_text(world, "root/file", "content");
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;
	end_world(world);
	free(world);
	return 0;
}

static int fetch_all(const struct world *world, struct error *err)
{
	struct fetch_request requests[COUNT] = { 0 };
	char names[COUNT][16];
	AUTO(fetcher_freep)
	struct fetcher *fetcher = fetcher_new(&(struct fetch_options){ .retries = 1 }, err);
	for (int i = 0; i < COUNT; i++) {
		snprintf(names[i], sizeof(names[i]), "file%d", i);
		requests[i] = (struct fetch_request){ .dirfd = world->dest,
						      .name = names[i],
						      .size_limit = 100 };
		strvec_pushf(&requests[i].urls, "https://127.0.0.1:%u/file", world->port);
	}
	int status = fetch_run(fetcher, requests, COUNT, NULL, err);
	for (int i = 0; i < COUNT; i++)
		fetch_request_release(&requests[i]);
	return status;
}

/* In a child, which alone sees other certificates. Returns its error's kind. */
static int fetch_trusting(const struct world *world)
{
	autofree char *certificate = tls_data("server.crt");
	pid_t pid = fork();
	if (pid == 0) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount(certificate, CERTIFICATES, NULL, MS_BIND, NULL) < 0)
			_exit(ERROR_KINDS);
		fetch_all(world, &err);
		_exit((int)err.kind);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* One connection carries all of them. */
static void test_http_2(void **state)
{
	struct world *world = *state;
	start_nginx(world, "http2");
	assert_int_equal(fetch_trusting(world), ERROR_NONE);
	autofree char *got = get(world, "dest/file19", NULL);
	assert_string_equal(got, "content");
	autofree char *log = get(world, "log", NULL);
	const char *first = strstr(log, "connection=");
	assert_non_null(first);
	autofree char *connection = xstrndup(first, strcspn(first, "\n"));
	assert_int_equal(logged(world, "GET HTTP/2.0"), COUNT);
	assert_int_equal(logged(world, connection), COUNT);
}

static void test_http_1_where_there_is_no_2(void **state)
{
	struct world *world = *state;
	start_nginx(world, "");
	assert_int_equal(fetch_trusting(world), ERROR_NONE);
	assert_int_equal(logged(world, "GET HTTP/1.1"), COUNT);
}

static void test_certificate_is_not_trusted(void **state)
{
	struct world *world = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	start_nginx(world, "http2");
	assert_int_equal(fetch_all(world, &err), -1);
	assert_int_equal(err.kind, ERROR_FETCH);
	assert_non_null(strstr(err.message, "the server's certificate is not trusted"));
	assert_non_null(strstr(err.hint, "ca-certificates"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_http_2),
		TEST(test_http_1_where_there_is_no_2),
		TEST(test_certificate_is_not_trusted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
