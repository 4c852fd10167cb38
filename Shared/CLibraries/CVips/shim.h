#pragma once
// Swift cannot call variadic functions, and libvips takes every option that way.
#include <malloc.h>
#include <vips/vips.h>

/// Opens the first frame for reading from top to bottom; nothing but the header is decoded yet.
/// A file that ends early is an error, an oddity that only earns a warning is not.
static inline VipsImage *cvips_open(VipsSource *source) {
    return vips_image_new_from_source(
        source, "", "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_TRUNCATED, NULL);
}

/// The same for a JPEG that its decoder shrinks by 1, 2, 4 or 8.
static inline VipsImage *cvips_open_jpeg(VipsSource *source, int shrink) {
    return vips_image_new_from_source(
        source, "", "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_TRUNCATED, "shrink", shrink, NULL);
}

static inline VipsImage *cvips_resize(VipsImage *in, double horizontal, double vertical) {
    VipsImage *out = NULL;
    return vips_resize(in, &out, horizontal, "vscale", vertical, NULL) ? NULL : out;
}

/// Lays the picture on one colour, given in the picture's own units for its first `count` bands.
static inline VipsImage *cvips_flatten(VipsImage *in, double *colour, int count) {
    VipsImage *out = NULL;
    VipsArrayDouble *background = vips_array_double_new(colour, count);
    int failed = vips_flatten(in, &out, "background", background, NULL);
    vips_area_unref(VIPS_AREA(background));
    return failed ? NULL : out;
}

/// By the profile in the file, else by `fallback`, one of the profiles built into libvips.
static inline VipsImage *cvips_icc_to_srgb(VipsImage *in, const char *fallback) {
    VipsImage *out = NULL;
    int failed = vips_icc_transform(
        in, &out, "srgb", "embedded", TRUE, "input_profile", fallback, "intent", VIPS_INTENT_RELATIVE,
        "black_point_compensation", TRUE, "depth", 8, NULL);
    return failed ? NULL : out;
}

static inline VipsImage *cvips_colourspace(VipsImage *in, VipsInterpretation space) {
    VipsImage *out = NULL;
    return vips_colourspace(in, &out, space, NULL) ? NULL : out;
}

static inline VipsImage *cvips_autorot(VipsImage *in) {
    VipsImage *out = NULL;
    return vips_autorot(in, &out, NULL) ? NULL : out;
}

/// A JPEG without any metadata, in memory the caller gives back with `g_free`.
static inline int cvips_jpeg(VipsImage *in, int quality, void **bytes, size_t *count) {
    return vips_jpegsave_buffer(in, bytes, count, "Q", quality, "strip", TRUE, NULL);
}

/// Keeps glibc from holding on to the large buffers of pictures that are done.
static inline void cvips_bound_malloc(int arenas) {
#ifdef __GLIBC__
    mallopt(M_ARENA_MAX, arenas);
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
}
