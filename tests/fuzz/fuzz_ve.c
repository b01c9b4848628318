/* What is kept of a VE: CTID.conf by its meaning, and the state file. */
#include <fcntl.h>

#include "base/cleanup.h"
#include "base/host.h"
#include "runtime/config/ve_config.h"
#include "runtime/config/ve_state.h"
#include "tests/fuzz/fuzz.h"

static const char *const names[] = { "conf/101.conf", "lock/101.state", "vz.conf", NULL };

static void put(size_t name, const char *text, size_t size, void *data)
{
	(void)data;
	fuzz_put(names[name], text, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(host_config_release) struct host_config host = HOST_CONFIG_INIT;
	AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
	AUTO(ve_state_release) struct ve_state state = VE_STATE_INIT;
	autofree char *path = NULL;
	static const char where[] = "\nLOCKDIR=lock\nVE_CONFDIR=conf\n";

	fuzz_sweep();
	fuzz_put("vz.conf", "", 0);
	fuzz_sections(data, size, names, put, NULL);
	/* Wherever the input says it all is, it is here. */
	if (asprintf(&path, "%s/vz.conf", fuzz_folder()) < 0)
		return 0;
	FILE *file = fopen(path, "a");
	fuzz_assert(file);
	fputs(where, file);
	fclose(file);
	if (host_config_load(&host, path, &err) < 0)
		return 0;
	if (ve_config_load(&host, 101, &config, &err) == 0)
		fuzz_assert(config.private_area && config.root && config.ctid == 101);
	error_clear(&err);
	if (ve_state_load(&host, 101, &state, &err) == 0)
		fuzz_assert(state.phase < VE_PHASES);
	return 0;
}
