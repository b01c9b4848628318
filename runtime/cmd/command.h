/*
 * The commands of vzctl. A command is a file here: a `const struct command` with a run() that reads as what it does.
 * To add one: write the file, declare it below, put it in the table of runtime/vzctl.c.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/host.h"
#include "base/option.h"
#include "base/report.h"
#include "base/strbuf.h"
#include "base/strvec.h"

struct vzctl {
	struct host_config host;
	struct report *report;
	unsigned timeout_s; /* for locks */
	bool json;
	bool many; /* the command is for several VEs: input, output and terminal are nobody's own */
	bool passing; /* … and this VE was not named itself */
};

struct command_result {
	int status; /* of the program, when run() returns 0 */
	struct strbuf text; /* for standard output, unless --json */
	json_t *json; /* "result" of the JSON document; may be NULL */
};

enum command_flags {
	COMMAND_NO_CTID = 1, /* the VE is in the operands (cp), or there is none */
	COMMAND_RAW = 2, /* what follows the CTID is not looked at for options (exec) */
	COMMAND_ANYBODY = 4, /* needs no root */
	COMMAND_HIDDEN = 8, /* between our own programs, or an old spelling */
	COMMAND_MANY = 16, /* may be for several VEs (many.h) */
	COMMAND_PRINTS = 32, /* what is printed is what a program in the VE prints */
};

struct command {
	const char *name;
	const char *operands; /* after the CTID, for the help; "" for none */
	unsigned operands_min, operands_max;
	const char *summary;
	const struct option_row *options; /* its own; may be NULL */
	unsigned flags;
	void (*make_options)(void); /* fills in those that are rows of another table; may be NULL */
	/* Once, before run(), which may be for several VEs: reads what is to be read from standard input. May be NULL. */
	int (*prepare)(const struct vzctl *vzctl, const struct strvec *operands, struct error *err);
	int (*run)(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
		   struct command_result *ret, struct error *err);

	/* Of several VEs. */
	const char *past; /* "started"; NULL: that it is done needs no word */
	const char *progress; /* "starting VEs"; NULL: its name */
	const enum error_kind *
		passes; /* what is no failure in a VE that was not named itself; up to ERROR_NONE; may be NULL */
};

extern const struct command command_create, command_destroy, command_delete, command_start,
	command_stop, command_restart, command_status, command_mount, command_umount, command_set,
	command_ubc, command_netstat, command_quota, command_doctor, command_reap;
extern const struct command command_enter, command_exec, command_exec2, command_runscript,
	command_cp, command_export, command_console;
extern const struct command command_suspend, command_chkpnt, command_resume, command_restore;
extern const struct command command_convert, command_snapshot, command_snapshot_list,
	command_snapshot_switch, command_snapshot_delete, command_snapshot_mount,
	command_snapshot_umount;

/* What the functions of runtime/life want. */
struct life;
struct life command_life(const struct vzctl *vzctl, unsigned ctid);
