/*
 * What a monitor and "vzctl console" say to each other: packets of a Unix socket (SOCK_SEQPACKET), LOCKDIR/CTID.attach, each a word of
 * these and what belongs to it. The monitor first says one of the first three; the end of the socket is the end of the VE.
 */
#pragma once

enum attach_word {
	ATTACH_READY = 'r',
	ATTACH_BUSY = 'b', /* somebody else is attached */
	ATTACH_NONE = 'n', /* there is no console */
	ATTACH_DATA = 'd', /* both ways: bytes of the terminal */
	ATTACH_SIZE = 's', /* to the monitor: a struct winsize */
};

enum { ATTACH_DATA_MAX = 4096 };
