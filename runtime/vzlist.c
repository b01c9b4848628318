/*
 * vzlist: which VEs there are, and what they are doing.
 *
 * Exit status: 0, or 1 if something went wrong or a VE that was named is not there. A VE whose files have a mistake is
 * listed, with a warning.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/completion.h"
#include "base/option.h"
#include "base/program.h"
#include "runtime/cmd/list_field.h"
#include "runtime/cmd/list_print.h"
#include "runtime/cmd/list_ve.h"

#define FIELDS_DEFAULT "ctid,numproc,status,ip,hostname"
#define FIELDS_NAME "ctid,numproc,status,ip,name"

enum { FAILED = 1 };

static const char *completion_shell;
static const char *conf, *output, *sort, *hostname_pattern, *name_pattern, *description_pattern;
static bool all, stopped, names, no_header, no_trim, ids_only, json, list_wanted, help_wanted,
	version_wanted;
static struct program_options program;

static const struct option_row options[] = {
	{ "all", 'a', OPTION_FLAG, &all, NULL, "list all VEs, not only those that run" },
	{ "stopped", 'S', OPTION_FLAG, &stopped, NULL, "list those that do not run" },
	{ "name", 'n', OPTION_FLAG, &names, NULL, "show names instead of host names" },
	{ "no-header", 'H', OPTION_FLAG, &no_header, NULL, "do not print the headings" },
	{ "no-trim", 't', OPTION_FLAG, &no_trim, NULL, "accepted; nothing is ever cut" },
	{ "output", 'o', OPTION_STRING, &output, "FIELDS", "show these: FIELD[,FIELD…]" },
	{ "sort", 's', OPTION_STRING, &sort, "[-]FIELD", "sort by this; with -, the other way" },
	{ "json", 'j', OPTION_FLAG, &json, NULL, "print a JSON array, by default with all fields" },
	{ "ids", '1', OPTION_FLAG, &ids_only, NULL, "print numbers alone: -H -o ctid" },
	{ "hostname", 'h', OPTION_STRING, &hostname_pattern, "PATTERN",
	  "only VEs with such a host name" },
	{ "name_filter", 'N', OPTION_STRING, &name_pattern, "PATTERN",
	  "only VEs with such a name" },
	{ "description", 'd', OPTION_STRING, &description_pattern, "PATTERN",
	  "only VEs with such a description" },
	{ "list", 'L', OPTION_FLAG, &list_wanted, NULL, "list the fields" },
	{ "conf", 0, OPTION_STRING, &conf, "FILE",
	  "read FILE instead of /etc/vz/vz.conf (also: VZ_CONF)" },
	{ "quiet", 'q', OPTION_FLAG, &program.quiet, NULL, "print errors and warnings only" },
	{ "completion", 0, OPTION_STRING, &completion_shell, "SHELL", NULL },
	{ "help", 0, OPTION_FLAG, &help_wanted, NULL, "print this help" },
	{ "version", 0, OPTION_FLAG, &version_wanted, NULL, "print the version" },
	{ NULL },
};

static void help(struct strbuf *text)
{
	strbuf_adds(text, "usage: vzlist [OPTION…] [CTID|NAME…]\n\n"
			  "Lists VEs: those that run, or all of those that are named.\n\n");
	options_help(options, text);
	strbuf_adds(text, "\nSee vzlist(8).\n");
}

/* ---- the order ---------------------------------------------------------------------------------------- */

struct order {
	const struct list_field *field;
	bool down;
};

/* Of VEs that are equal in this, the lower number comes first. */
static int compare(const void *a, const void *b, void *data)
{
	const struct order *order = data;
	const struct list_ve *x = a, *y = b;
	int ret = list_field_compare(order->field, x, y);
	if (ret)
		return order->down ? -ret : ret;
	return (x->ctid > y->ctid) - (x->ctid < y->ctid);
}

static int parse_order(struct list_fields *field, struct order *order, struct error *err)
{
	order->down = sort && *sort == '-';
	if (!sort)
		return 0;
	if (list_fields_parse(sort + order->down, field, err) < 0)
		return -1;
	if (field->count != 1)
		return error_set(err, ERROR_USAGE, "--sort takes one field");
	order->field = field->fields;
	return 0;
}

/* ------------------------------------------------------------------------------------------------------- */

static const char *fields_wanted(void)
{
	if (output)
		return output;
	if (ids_only)
		return "ctid";
	if (json)
		return NULL;
	return names ? FIELDS_NAME : FIELDS_DEFAULT;
}

static enum list_which which(const struct strvec *operands)
{
	if (stopped && !all)
		return LIST_NOT_RUNNING;
	return all || operands->count ? LIST_ALL : LIST_RUNNING;
}

static void show(const struct list *list, const struct list_fields *fields, struct report *report,
		 struct strbuf *text)
{
	if (json)
		list_print_json(list, fields, text);
	else if (list->count)
		list_print_table(list, fields, !no_header && !ids_only, text);
	else if (!list->missing)
		report_info(report, all ? "there are no such VEs"
					: "there are no such VEs; \"vzlist -a\" lists all");
}

static int list_ves(const struct strvec *operands, struct report *report, struct strbuf *text,
		    struct error *err)
{
	AUTO(host_config_release) struct host_config host = HOST_CONFIG_INIT;
	AUTO(list_fields_release) struct list_fields fields = LIST_FIELDS_INIT;
	AUTO(list_fields_release) struct list_fields sort_field = LIST_FIELDS_INIT;
	AUTO(list_release) struct list list = LIST_INIT;
	struct order order = { 0 };
	struct list_request request = {
		.which = which(operands),
		.wanted = operands,
		.hostname = hostname_pattern,
		.name = name_pattern,
		.description = description_pattern,
	};
	if (list_fields_parse(fields_wanted(), &fields, err) < 0 ||
	    parse_order(&sort_field, &order, err) < 0 || host_config_load(&host, conf, err) < 0)
		return -1;
	request.traffic = list_fields_traffic(&fields) || list_fields_traffic(&sort_field);
	request.count = list_fields_count(&fields, json) || list_fields_count(&sort_field, false);
	if (list_collect(&host, &request, report, &list, err) < 0)
		return -1;
	if (order.field && list.count)
		qsort_r(list.ves, list.count, sizeof(*list.ves), compare, &order);
	show(&list, &fields, report, text);
	return list.missing ? FAILED : 0;
}

static int run(const struct strvec *operands, struct report *report, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	int ret = 0;
	struct completion completion = { .program = "vzlist",
					 .common = options,
					 .operands = COMPLETE_VES };
	if (completion_shell)
		ret = completion_script(&completion, completion_shell, &text, err);
	else if (version_wanted)
		strbuf_adds(&text, "vzlist " VERSION "\n");
	else if (help_wanted)
		help(&text);
	else if (list_wanted)
		list_fields_show(&text);
	else
		ret = list_ves(operands, report, &text, err);
	if (ret >= 0 && (fputs(text.text, stdout) < 0 || fflush(stdout) == EOF))
		return error_errno(err, errno, "writing to standard output");
	return ret;
}

int main(int argc, char **argv)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(strvec_release) struct strvec operands = STRVEC_INIT;

	program_begin();
	int ret = options_parse(options, NULL, argc - 1, argv + 1, &operands, &err);
	AUTO(report_freep) struct report *report = program_report("vzlist", NULL, &program);
	if (ret == 0)
		ret = run(&operands, report, &err);
	if (ret < 0)
		report_error(report, &err, FAILED);
	return ret < 0 ? FAILED : ret;
}
