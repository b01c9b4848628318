/* For runtime/area/image*.c only. */
#pragma once

#define IMAGE_FILE "image"
