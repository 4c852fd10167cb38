#pragma once
#include <xlsxwriter.h>
#include <zlib.h>

/// `inflateInit2` is a macro. A member of a ZIP file is deflated without zlib's own frame.
static inline int cxlsx_inflate_start(z_stream *stream) {
    return inflateInit2(stream, -MAX_WBITS);
}
