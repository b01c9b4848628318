/* The file of metrics: what is set, what stays, what is not ours. */
#include "tests/unit/base/scratch.h"

#include "base/file.h"
#include "base/metrics.h"
#include "base/strbuf.h"

static const struct metric table[] = {
	{ "x_time", "When." },
	{ "x_size", "How much." },
	{ NULL },
};

static struct metrics fresh(void)
{
	struct metrics metrics = METRICS_INIT;
	metrics.table = table;
	metrics.label = "template";
	return metrics;
}

static void save(struct metrics *metrics, const char *path, struct strbuf *text)
{
	assert_int_equal(metrics_save(metrics, path, NULL), 0);
	strbuf_truncate(text, 0);
	assert_int_equal(file_read(AT_FDCWD, path, 10000, text, NULL), 0);
	metrics_release(metrics);
}

static void test_written_and_kept(void **state)
{
	const struct scratch *scratch = *state;
	autofree char *path = xasprintf("%s/metrics.prom", scratch->path);
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct metrics metrics = fresh();

	metrics_load(&metrics, path); /* there is none yet */
	metrics_set(&metrics, "debian-12", 0, 1764358800);
	metrics_set(&metrics, "debian-12", 1, 12345678901.0);
	metrics_set(&metrics, "centos-7", 1, 0.25);
	save(&metrics, path, &text);
	assert_string_equal(text.text, "# HELP x_time When.\n# TYPE x_time gauge\n"
				       "x_time{template=\"debian-12\"} 1764358800\n"
				       "# HELP x_size How much.\n# TYPE x_size gauge\n"
				       "x_size{template=\"debian-12\"} 12345678901\n"
				       "x_size{template=\"centos-7\"} 0.25\n");

	/* Of the other one everything stays. */
	metrics = fresh();
	metrics_load(&metrics, path);
	metrics_set(&metrics, "centos-7", 1, 2);
	save(&metrics, path, &text);
	assert_non_null(strstr(text.text, "x_time{template=\"debian-12\"} 1764358800\n"));
	assert_non_null(strstr(text.text, "x_size{template=\"centos-7\"} 2\n"));

	AUTO(strvec_release) struct strvec labels = STRVEC_INIT;
	strvec_push(&labels, "centos-7");
	metrics = fresh();
	metrics_load(&metrics, path);
	metrics_retain(&metrics, &labels);
	save(&metrics, path, &text);
	assert_null(strstr(text.text, "debian-12"));
	assert_non_null(strstr(text.text, "x_size{template=\"centos-7\"} 2\n"));
}

static void test_what_is_not_ours(void **state)
{
	static const char foreign[] = "# comment\nx_time\nx_time{template=\"a} 1\nx_time{} 1\n"
				      "x_time{template=\"a\"} one\nx_time{template=\"a\"} \n"
				      "y_time{template=\"a\"} 1\nx_time{template=\"b\"} 1 2\n\n"
				      "x_time{template=\"good\"} 5";
	const struct scratch *scratch = *state;
	autofree char *path = xasprintf("%s/metrics.prom", scratch->path);
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct metrics metrics = fresh();
	assert_int_equal(file_write_atomic(AT_FDCWD, path, 0644, foreign, strlen(foreign), NULL),
			 0);
	metrics_load(&metrics, path);
	assert_int_equal(metrics.count, 1);
	save(&metrics, path, &text);
	assert_non_null(strstr(text.text, "x_time{template=\"good\"} 5\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_written_and_kept, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(test_what_is_not_ours, scratch_setup,
						scratch_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
