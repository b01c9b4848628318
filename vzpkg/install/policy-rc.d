#!/bin/sh
# Shown in a VE in which a template is built: no service may be started (101: action forbidden by policy).
exit 101
