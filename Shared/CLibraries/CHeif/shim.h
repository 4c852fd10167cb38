#pragma once
#include <libheif/heif.h>

/// The colour primaries and the transfer of the picture shown first, by their numbers in ITU-T H.273, if a `colr` box
/// says them; 0 if not. Nothing is decoded; `bytes` are read in place.
static inline int cheif_colours(const void *bytes, size_t count, int *primaries, int *transfer) {
    struct heif_context *context = heif_context_alloc();
    struct heif_image_handle *picture = NULL;
    struct heif_color_profile_nclx *colours = NULL;
    int found = 0;
    if (context && heif_context_read_from_memory_without_copy(context, bytes, count, NULL).code == heif_error_Ok &&
        heif_context_get_primary_image_handle(context, &picture).code == heif_error_Ok &&
        heif_image_handle_get_nclx_color_profile(picture, &colours).code == heif_error_Ok) {
        *primaries = (int)colours->color_primaries;
        *transfer = (int)colours->transfer_characteristics;
        found = 1;
    }
    if (colours) heif_nclx_color_profile_free(colours);
    if (picture) heif_image_handle_release(picture);
    if (context) heif_context_free(context);
    return found;
}
