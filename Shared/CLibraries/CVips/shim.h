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

/// By the profile in the file if `embedded`, else by `fallback`, one of the profiles built into libvips.
static inline VipsImage *cvips_icc_to_srgb(VipsImage *in, int embedded, const char *fallback) {
    VipsImage *out = NULL;
    int failed = vips_icc_transform(
        in, &out, "srgb", "embedded", embedded, "input_profile", fallback, "intent", VIPS_INTENT_RELATIVE,
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

/// As `cvips_open`, for what the HEIF loader opens although libvips does not know it by its first bytes.
static inline VipsImage *cvips_open_heif(VipsSource *source) {
    VipsImage *out = NULL;
    int failed = vips_heifload_source(
        source, &out, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_TRUNCATED, NULL);
    return failed ? NULL : out;
}

/// As `cvips_open`, and whatever a decoder warns about is an error, too.
static inline VipsImage *cvips_open_strictly(VipsSource *source) {
    return vips_image_new_from_source(
        source, "", "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_WARNING, NULL);
}

/// A copy whose bands mean something else, with another orientation unless it is 0.
static inline VipsImage *cvips_retagged(VipsImage *in, VipsInterpretation space, int orientation) {
    VipsImage *out = NULL;
    if (vips_copy(in, &out, "interpretation", space, NULL)) return NULL;
    if (orientation) vips_image_set_int(out, VIPS_META_ORIENTATION, orientation);
    return out;
}

/// L*a*b* of 8 bits as the numbers they stand for.
static inline VipsImage *cvips_unpacked(VipsImage *in) {
    VipsImage *out = NULL;
    return vips_LabQ2Lab(in, &out, NULL) ? NULL : out;
}

static inline VipsImage *cvips_bands(VipsImage *in, int count) {
    VipsImage *out = NULL;
    return vips_extract_band(in, &out, 0, "n", count, NULL) ? NULL : out;
}

/// Each value times `factor`, plus `offset`, cut to 8 bits.
static inline VipsImage *cvips_scaled(VipsImage *in, double factor, double offset) {
    VipsImage *out = NULL;
    return vips_linear1(in, &out, factor, offset, "uchar", TRUE, NULL) ? NULL : out;
}

static inline int cvips_range(VipsImage *in, double *least, double *most) {
    return vips_min(in, least, NULL) || vips_max(in, most, NULL);
}

/// Light in three bands: values looked up in `light` (256 or 65,536 floats), multiplied by `matrix` (nine, by rows), cut
/// to 0…1 and looked up in `levels` (65,536 bytes).
static inline VipsImage *cvips_mapped(
    VipsImage *in, const float *light, int count, const double *matrix, const unsigned char *levels) {
    VipsImage *table = vips_image_new_from_memory_copy(light, count * sizeof(float), count, 1, 1, VIPS_FORMAT_FLOAT);
    VipsImage *output = vips_image_new_from_memory_copy(levels, 65536, 65536, 1, 1, VIPS_FORMAT_UCHAR);
    VipsImage *colours = vips_image_new_from_memory_copy(matrix, 9 * sizeof(double), 3, 3, 1, VIPS_FORMAT_DOUBLE);
    VipsImage *linear = NULL, *mixed = NULL, *scaled = NULL, *numbers = NULL, *mapped = NULL, *out = NULL;
    if (table && output && colours && !vips_maplut(in, &linear, table, NULL) &&
        !vips_recomb(linear, &mixed, colours, NULL) && !vips_linear1(mixed, &scaled, 65535, 0.5, NULL) &&
        !vips_cast(scaled, &numbers, VIPS_FORMAT_USHORT, NULL) && !vips_maplut(numbers, &mapped, output, NULL) &&
        vips_copy(mapped, &out, "interpretation", VIPS_INTERPRETATION_sRGB, NULL))
        out = NULL;
    VipsImage *steps[] = {table, output, colours, linear, mixed, scaled, numbers, mapped};
    for (int step = 0; step < 8; step++)
        if (steps[step]) g_object_unref(steps[step]);
    return out;
}
