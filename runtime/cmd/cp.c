#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/access/copy.h"
#include "runtime/cmd/command.h"
#include "runtime/config/ctid.h"

static bool folders;

static const struct option_row options[] = {
	{ "recursive", 'r', OPTION_FLAG, &folders, NULL, "copy folders, with all that is in them" },
	{ NULL },
};

/* What the words say: paths of one side, and where they are to go. */
struct request {
	struct strvec sources;
	struct copy_operand target;
	char *ve;
};

static void request_release(struct request *request)
{
	strvec_release(&request->sources);
	copy_operand_release(&request->target);
	free(request->ve);
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static int add_source(struct request *request, const char *word, bool first, struct error *err)
{
	AUTO(copy_operand_release) struct copy_operand operand = { 0 };
	if (copy_operand_parse(word, &operand, err) < 0)
		return -1;
	if (first)
		request->ve = xstrdup_or_null(operand.ve);
	else if (!same(request->ve, operand.ve))
		return error_set(err, ERROR_USAGE,
				 "all that is copied must come from one VE, or from the host");
	strvec_push(&request->sources, operand.path);
	return 0;
}

static int parse(const struct strvec *operands, struct request *request, struct error *err)
{
	size_t last = operands->count - 1;
	for (size_t i = 0; i < last; i++)
		if (add_source(request, operands->items[i], i == 0, err) < 0)
			return -1;
	if (copy_operand_parse(operands->items[last], &request->target, err) < 0)
		return -1;
	if (!request->ve == !request->target.ve) {
		error_set(err, ERROR_USAGE,
			  request->ve ? "both sides are VEs" : "both sides are the host's");
		return error_hint(err, "\"vzctl cp FILE 101:/etc/\" copies into a VE, "
				       "\"vzctl cp 101:/etc/hosts .\" out of it");
	}
	return 0;
}

static void tell(struct vzctl *vzctl, const struct ve_copied *copied)
{
	if (copied->left_out)
		report_warning(vzctl->report, NULL,
			       "%llu special files or links that lead out were left out: %s%s",
			       (unsigned long long)copied->left_out, copied->first_left_out,
			       copied->left_out > 1 ? ", …" : "");
}

static int run(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
	       struct command_result *ret, struct error *err)
{
	AUTO(request_release) struct request request = { .sources = STRVEC_INIT };
	AUTO(ve_copied_release) struct ve_copied copied = VE_COPIED_INIT;
	struct running running;
	if (parse(operands, &request, err) < 0)
		return -1;
	const char *ve = request.ve ?: request.target.ve;
	const struct ve_copy copy = {
		.sources = &request.sources,
		.target = request.target.path,
		.outward = request.ve,
		.folders = folders,
	};
	if (ctid_find(&vzctl->host, ve, &ctid, err) < 0)
		return -1;
	int result = running_open(&vzctl->host, ctid, &running, err);
	if (result == 0)
		result = ve_copy(&running, &copy, &copied, err);
	running_release(&running);
	tell(vzctl, &copied);
	if (result == 0)
		ret->json = json_pack("{s:i, s:I, s:I}", "ctid", (int)ctid, "files",
				      (json_int_t)copied.files, "left_out",
				      (json_int_t)copied.left_out);
	return result;
}

const struct command command_cp = {
	.name = "cp",
	.operands = "[CTID:]FILE… [CTID:]TARGET",
	.operands_min = 2,
	.operands_max = UINT_MAX,
	.summary = "Copies files into a VE, or out of it",
	.options = options,
	.flags = COMMAND_NO_CTID,
	.run = run,
};
