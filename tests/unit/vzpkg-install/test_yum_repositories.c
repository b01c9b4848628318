#include "tests/unit/base/scratch.h"
#include "vzpkg/install/yum_repositories.h"

static const char *const theirs = "# comment\n[base]\nname=CentOS\nmirrorlist=http://mirrors/?a=b\n"
				  "enabled = 1\nenabled_metadata=1\n\n[contrib]\nenabled=0\n\n"
				  "[extras]\nname=Extras\n";
static const char *const theirs_off = "# comment\n[base]\nname=CentOS\n"
				      "mirrorlist=http://mirrors/?a=b\nenabled=0\n"
				      "enabled_metadata=1\n\n[contrib]\nenabled=0\n\n"
				      "[extras]\nenabled=0\nname=Extras\n";

static void write_urls(int tree)
{
	AUTO(strvec_release) struct strvec urls = STRVEC_INIT;
	strvec_push(&urls, "http://vault.example.org/7/os/x86_64");
	strvec_push(&urls, "https://vault.example.org/7/updates/x86_64");
	assert_int_equal(yum_repositories_write(tree, &urls, NULL), 0);
}

static void ours_on_and_others_off(void **state)
{
	struct scratch *scratch = *state;

	close(dir_open(scratch->dir, "etc/yum.repos.d", true, 0755, NULL));
	put_file(scratch->dir, "etc/yum.repos.d/CentOS-Base.repo", theirs);
	put_file(scratch->dir, "etc/yum.repos.d/notes", theirs);
	for (int again = 0; again < 2; again++) {
		write_urls(scratch->dir);
		assert_content(
			scratch->dir, "etc/yum.repos.d/vzpkg.repo",
			"[vault.example.org-7-os-x86_64]\n"
			"name=http://vault.example.org/7/os/x86_64\n"
			"baseurl=http://vault.example.org/7/os/x86_64\nenabled=1\ngpgcheck=1\n\n"
			"[vault.example.org-7-updates-x86_64]\n"
			"name=https://vault.example.org/7/updates/x86_64\n"
			"baseurl=https://vault.example.org/7/updates/x86_64\nenabled=1\n"
			"gpgcheck=1\n");
		assert_content(scratch->dir, "etc/yum.repos.d/CentOS-Base.repo", theirs_off);
		assert_content(scratch->dir, "etc/yum.repos.d/notes", theirs);
	}
}

static void nothing_to_write(void **state)
{
	struct scratch *scratch = *state;
	struct strvec none = STRVEC_INIT;

	close(dir_open(scratch->dir, "etc/yum.repos.d", true, 0755, NULL));
	put_file(scratch->dir, "etc/yum.repos.d/a.repo", theirs);
	assert_int_equal(yum_repositories_write(scratch->dir, &none, NULL), 0);
	assert_content(scratch->dir, "etc/yum.repos.d/a.repo", theirs);
	assert_false(exists(scratch->dir, "etc/yum.repos.d/vzpkg.repo"));
}

static void no_folder(void **state)
{
	struct scratch *scratch = *state;

	write_urls(scratch->dir);
	assert_false(exists(scratch->dir, "etc"));
}

/* A script of a package may have made it one. */
static void nothing_leads_out(void **state)
{
	struct scratch *scratch = *state;

	close(dir_open(scratch->dir, "tree/etc/yum.repos.d", true, 0755, NULL));
	put_file(scratch->dir, "secret", theirs);
	assert_int_equal(symlinkat("../../../secret", scratch->dir, "tree/etc/yum.repos.d/a.repo"),
			 0);
	autoclose int tree = dir_open(scratch->dir, "tree", false, 0, NULL);
	write_urls(tree);
	assert_content(scratch->dir, "secret", theirs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(ours_on_and_others_off),
		scratch_test(nothing_to_write),
		scratch_test(no_folder),
		scratch_test(nothing_leads_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
