#include "vzpkg/template_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"

int mistake(struct loader *loader, const char *file, unsigned line, const char *hint,
	    const char *format, ...)
{
	va_list args;
	va_start(args, format);
	autofree char *text = xvasprintf(format, args);
	va_end(args);

	loader->mistakes++;
	if (loader->found) {
		loader->found(true, file, line, text, loader->found_data);
		return 0;
	}
	if (line) {
		error_set(loader->err, ERROR_BAD_TEMPLATE, "%s:%u: %s", file, line, text);
		error_subject(loader->err, "%s:%u", file, line);
	} else {
		error_set(loader->err, ERROR_BAD_TEMPLATE, "%s: %s", file, text);
		error_subject(loader->err, "%s", file);
	}
	return hint ? error_hint(loader->err, "%s", hint) : -1;
}

void remark(struct loader *loader, const char *file, unsigned line, const char *format, ...)
{
	if (!loader->found)
		return;
	va_list args;
	va_start(args, format);
	autofree char *text = xvasprintf(format, args);
	va_end(args);
	loader->found(false, file, line, text, loader->found_data);
}

char *find_config(const struct loader *loader, const char *name)
{
	for (size_t i = 0; i < loader->levels.count; i++) {
		char *path = xasprintf("%s/%s", loader->levels.items[i], name);
		if (access(path, F_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

/* A "#" begins a comment at the start of a line or after a blank; in a URL it is a fragment. */
static size_t content_length(const char *line, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (line[i] == '#' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t')) {
			length = i;
			break;
		}
	}
	while (length && strchr(" \t\r", line[length - 1]))
		length--;
	return length;
}

static bool has_control(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 0x7f)
			return true;
	return false;
}

static int add_line(struct loader *loader, struct metadata_file *file, const char *line,
		    size_t length, unsigned number)
{
	while (length && strchr(" \t", *line)) {
		line++;
		length--;
	}
	length = content_length(line, length);
	if (!length)
		return 0;
	if (has_control(line, length))
		return mistake(loader, file->path, number, "the files are plain text",
			       "the line holds a control character");
	file->lines = xgrow(file->lines, file->count, &file->capacity, sizeof(*file->lines));
	file->lines[file->count++] = (struct metadata_line){
		.text = xstrndup(line, length),
		.number = number,
	};
	return 0;
}

/* A FIFO would be waited for, a device would be read for ever. */
int read_whole(struct loader *loader, const char *path, size_t limit, struct strbuf *text)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	struct stat st;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return mistake(loader, path, 0, NULL, "this is not a file");
	if (file_read(AT_FDCWD, path, limit, text, &why) < 0)
		return mistake(loader, path, 0, NULL, "%s", why.message);
	return 1;
}

int read_config_path(struct loader *loader, const char *path, struct metadata_file *file)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	unsigned number = 0;

	file->path = xstrdup(path);
	strvec_push(&loader->seen, path);
	int ret = read_whole(loader, path, CONFIG_LIMIT, &text);
	if (ret <= 0)
		return ret;
	const char *end = text.text + text.length;
	for (const char *at = text.text; at < end;) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *line_end = newline ?: end;
		if (add_line(loader, file, at, (size_t)(line_end - at), ++number) < 0)
			return -1;
		at = line_end + 1;
	}
	return 0;
}

int read_config(struct loader *loader, const char *name, struct metadata_file *file)
{
	autofree char *path = find_config(loader, name);
	return path ? read_config_path(loader, path, file) : 0;
}

const char *config_place(const struct loader *loader, const struct metadata_file *file)
{
	return file->path ?: loader->levels.items[0];
}

void metadata_file_release(struct metadata_file *file)
{
	for (size_t i = 0; i < file->count; i++)
		free(file->lines[i].text);
	free(file->lines);
	free(file->path);
	*file = METADATA_FILE_INIT;
}
