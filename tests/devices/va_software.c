/* A VA-API driver whose hardware is libavcodec: where a test needs a device that really decodes, and none is there.
 *
 * Build: cc -shared -fPIC -o DIR/swtest_drv_video.so va_software.c $(pkg-config --cflags --libs libavcodec libavutil libva)
 * Use:   LIBVA_DRIVERS_PATH=DIR LIBVA_DRIVER_NAME=swtest, with an X server (Xvfb) to open a display on.
 *
 * libva and FFmpeg's vaapi decoder talk to it as to any driver. It takes H.264, progressive, 8 bits, without B-frames:
 * each picture comes as parameters and slices; it writes an SPS and a PPS that say the same, decodes, and gives the
 * picture out as NV12. While the file that VA_SOFTWARE_FAIL names exists, and after VA_SOFTWARE_FAIL_AFTER pictures of a process,
 * each picture is an error, as of a driver whose device was reset. Pictures are counted into the file of
 * VA_SOFTWARE_COUNT, one byte each. */
#include <libavcodec/avcodec.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <va/va_backend.h>

enum { THINGS_MAX = 8192, HEADER_MAX = 256 };

typedef struct {
  enum { FREE, SURFACE, CONTEXT, BUFFER, IMAGE } kind;
  /* surface, image */
  int width, height;
  uint8_t *data; /* NV12; of a buffer its bytes */
  /* buffer */
  VABufferType type;
  unsigned size, count;
  int borrowed; /* the bytes are an image's */
  /* context */
  AVCodecContext *decoder;
  AVPacket *packet;
  AVFrame *frame;
  VASurfaceID target;
  VABufferID buffer; /* of an image */
  VAPictureParameterBufferH264 picture;
  VASliceParameterBufferH264 slice;
  int has_slice;
  uint8_t *stream;
  size_t bytes;
} Thing;

static Thing *things[THINGS_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static Thing *make(int kind, unsigned *id) {
  Thing *thing = calloc(1, sizeof *thing);
  thing->kind = kind;
  pthread_mutex_lock(&lock);
  for (unsigned n = 1; n < THINGS_MAX; n++)
    if (!things[n]) {
      things[n] = thing, *id = n;
      pthread_mutex_unlock(&lock);
      return thing;
    }
  pthread_mutex_unlock(&lock);
  free(thing);
  return NULL;
}

static Thing *get(int kind, unsigned id) {
  pthread_mutex_lock(&lock);
  Thing *thing = id < THINGS_MAX ? things[id] : NULL;
  pthread_mutex_unlock(&lock);
  return thing && thing->kind == kind ? thing : NULL;
}

static VAStatus destroy(int kind, unsigned id) {
  Thing *thing = get(kind, id);
  if (!thing) return VA_STATUS_ERROR_INVALID_PARAMETER;
  pthread_mutex_lock(&lock);
  things[id] = NULL;
  pthread_mutex_unlock(&lock);
  if (!thing->borrowed) free(thing->data);
  free(thing->stream);
  avcodec_free_context(&thing->decoder);
  av_packet_free(&thing->packet);
  av_frame_free(&thing->frame);
  free(thing);
  return VA_STATUS_SUCCESS;
}

/* ---- bits of parameter sets (ITU-T H.264, 7.3.2 and 9.1) -------------------------------------------------------- */
typedef struct {
  uint8_t bytes[HEADER_MAX];
  int bits;
} Bits;

static void put(Bits *b, int count, unsigned value) {
  while (count--) {
    if (value >> count & 1) b->bytes[b->bits / 8] |= 0x80 >> b->bits % 8;
    b->bits++;
  }
}
static void ue(Bits *b, unsigned value) {
  int length = 0;
  while ((value + 1) >> (length + 1)) length++;
  put(b, length, 0);
  put(b, length + 1, value + 1);
}
static void se(Bits *b, int value) { ue(b, value > 0 ? 2 * value - 1 : -2 * value); }

/* A NAL unit with its start code and without forbidden sequences. */
static void append(Thing *context, int header, const uint8_t *data, size_t bytes, int escape) {
  context->stream = realloc(context->stream, context->bytes + bytes * 2 + 16);
  uint8_t *to = context->stream + context->bytes;
  *to++ = 0, *to++ = 0, *to++ = 0, *to++ = 1;
  if (header) *to++ = header;
  for (size_t n = 0, zeros = 0; n < bytes; n++) {
    if (escape && zeros == 2 && data[n] <= 3) *to++ = 3, zeros = 0;
    zeros = data[n] ? 0 : zeros + 1;
    *to++ = data[n];
  }
  context->bytes = to - context->stream;
}

static void parameter_sets(Thing *context) {
  const VAPictureParameterBufferH264 *p = &context->picture;
  Bits sps = {0}, pps = {0};
  put(&sps, 8, 100), put(&sps, 8, 0), put(&sps, 8, 51), ue(&sps, 0);
  ue(&sps, 1), ue(&sps, 0), ue(&sps, 0), put(&sps, 2, 0);
  ue(&sps, p->seq_fields.bits.log2_max_frame_num_minus4);
  ue(&sps, p->seq_fields.bits.pic_order_cnt_type);
  if (p->seq_fields.bits.pic_order_cnt_type == 0) ue(&sps, p->seq_fields.bits.log2_max_pic_order_cnt_lsb_minus4);
  ue(&sps, p->num_ref_frames), put(&sps, 1, p->seq_fields.bits.gaps_in_frame_num_value_allowed_flag);
  ue(&sps, p->picture_width_in_mbs_minus1), ue(&sps, p->picture_height_in_mbs_minus1), put(&sps, 1, 1);
  put(&sps, 1, p->seq_fields.bits.direct_8x8_inference_flag), put(&sps, 1, 0);
  /* VUI: only that pictures come out in the order they came in. */
  put(&sps, 1, 1), put(&sps, 8, 0), put(&sps, 1, 1), put(&sps, 1, 1);
  ue(&sps, 0), ue(&sps, 0), ue(&sps, 16), ue(&sps, 16), ue(&sps, 0), ue(&sps, p->num_ref_frames), put(&sps, 1, 1);
  ue(&pps, 0), ue(&pps, 0), put(&pps, 1, p->pic_fields.bits.entropy_coding_mode_flag);
  put(&pps, 1, p->pic_fields.bits.pic_order_present_flag), ue(&pps, 0);
  ue(&pps, context->slice.num_ref_idx_l0_active_minus1), ue(&pps, context->slice.num_ref_idx_l1_active_minus1);
  put(&pps, 1, p->pic_fields.bits.weighted_pred_flag), put(&pps, 2, p->pic_fields.bits.weighted_bipred_idc);
  se(&pps, p->pic_init_qp_minus26), se(&pps, p->pic_init_qs_minus26), se(&pps, p->chroma_qp_index_offset);
  put(&pps, 1, p->pic_fields.bits.deblocking_filter_control_present_flag);
  put(&pps, 1, p->pic_fields.bits.constrained_intra_pred_flag);
  put(&pps, 1, p->pic_fields.bits.redundant_pic_cnt_present_flag);
  put(&pps, 1, p->pic_fields.bits.transform_8x8_mode_flag), put(&pps, 1, 0);
  se(&pps, p->second_chroma_qp_index_offset), put(&pps, 1, 1);
  uint8_t *slices = context->stream;
  size_t bytes = context->bytes;
  context->stream = NULL, context->bytes = 0;
  append(context, 0x67, sps.bytes, (sps.bits + 7) / 8, 1);
  append(context, 0x68, pps.bytes, (pps.bits + 7) / 8, 1);
  context->stream = realloc(context->stream, context->bytes + bytes + AV_INPUT_BUFFER_PADDING_SIZE);
  if (bytes) memcpy(context->stream + context->bytes, slices, bytes);
  context->bytes += bytes;
  free(slices);
}

/* ---- what libva calls ------------------------------------------------------------------------------------------- */
static VAStatus unimplemented(void) { return VA_STATUS_ERROR_UNIMPLEMENTED; }
static VAStatus terminate(VADriverContextP ctx) { return VA_STATUS_SUCCESS; }

static VAStatus profiles(VADriverContextP ctx, VAProfile *list, int *count) {
  list[0] = VAProfileH264ConstrainedBaseline, list[1] = VAProfileH264Main, list[2] = VAProfileH264High;
  *count = 3;
  return VA_STATUS_SUCCESS;
}
static VAStatus entrypoints(VADriverContextP ctx, VAProfile profile, VAEntrypoint *list, int *count) {
  list[0] = VAEntrypointVLD, *count = 1;
  return VA_STATUS_SUCCESS;
}
static VAStatus attributes(VADriverContextP ctx, VAProfile p, VAEntrypoint e, VAConfigAttrib *list, int count) {
  for (int n = 0; n < count; n++)
    list[n].value = list[n].type == VAConfigAttribRTFormat ? VA_RT_FORMAT_YUV420 : VA_ATTRIB_NOT_SUPPORTED;
  return VA_STATUS_SUCCESS;
}
static VAStatus create_config(VADriverContextP ctx, VAProfile p, VAEntrypoint e, VAConfigAttrib *list, int count,
                              VAConfigID *id) {
  *id = 1;
  return VA_STATUS_SUCCESS;
}
static VAStatus destroy_config(VADriverContextP ctx, VAConfigID id) { return VA_STATUS_SUCCESS; }
static VAStatus config(VADriverContextP ctx, VAConfigID id, VAProfile *p, VAEntrypoint *e, VAConfigAttrib *list,
                       int *count) {
  *p = VAProfileH264High, *e = VAEntrypointVLD, *count = 0;
  return VA_STATUS_SUCCESS;
}
static VAStatus surface_attributes(VADriverContextP ctx, VAConfigID id, VASurfaceAttrib *list, unsigned *count) {
  static const struct { VASurfaceAttribType type; int value; } all[] = {
      {VASurfaceAttribPixelFormat, VA_FOURCC_NV12}, {VASurfaceAttribMinWidth, 16}, {VASurfaceAttribMaxWidth, 4096},
      {VASurfaceAttribMinHeight, 16}, {VASurfaceAttribMaxHeight, 4096}};
  const unsigned some = sizeof all / sizeof *all;
  for (unsigned n = 0; list && n < some && n < *count; n++) {
    list[n].type = all[n].type, list[n].flags = VA_SURFACE_ATTRIB_GETTABLE | VA_SURFACE_ATTRIB_SETTABLE;
    list[n].value.type = VAGenericValueTypeInteger, list[n].value.value.i = all[n].value;
  }
  *count = some;
  return VA_STATUS_SUCCESS;
}
static VAStatus create_surfaces(VADriverContextP ctx, unsigned format, unsigned width, unsigned height,
                                VASurfaceID *ids, unsigned count, VASurfaceAttrib *list, unsigned attributes) {
  for (unsigned n = 0; n < count; n++) {
    Thing *surface = make(SURFACE, &ids[n]);
    if (!surface) return VA_STATUS_ERROR_ALLOCATION_FAILED;
    surface->width = width, surface->height = height, surface->data = calloc(width * height, 2);
  }
  return VA_STATUS_SUCCESS;
}
static VAStatus destroy_surfaces(VADriverContextP ctx, VASurfaceID *ids, int count) {
  for (int n = 0; n < count; n++) destroy(SURFACE, ids[n]);
  return VA_STATUS_SUCCESS;
}
static VAStatus create_context(VADriverContextP ctx, VAConfigID config, int width, int height, int flag,
                               VASurfaceID *targets, int count, VAContextID *id) {
  Thing *context = make(CONTEXT, id);
  if (!context) return VA_STATUS_ERROR_ALLOCATION_FAILED;
  context->decoder = avcodec_alloc_context3(avcodec_find_decoder(AV_CODEC_ID_H264));
  context->decoder->flags |= AV_CODEC_FLAG_LOW_DELAY;
  context->decoder->thread_count = 1;
  context->packet = av_packet_alloc(), context->frame = av_frame_alloc();
  return avcodec_open2(context->decoder, NULL, NULL) < 0 ? VA_STATUS_ERROR_OPERATION_FAILED : VA_STATUS_SUCCESS;
}
static VAStatus destroy_context(VADriverContextP ctx, VAContextID id) { return destroy(CONTEXT, id); }

static VAStatus create_buffer(VADriverContextP ctx, VAContextID context, VABufferType type, unsigned size,
                              unsigned count, void *data, VABufferID *id) {
  Thing *buffer = make(BUFFER, id);
  if (!buffer) return VA_STATUS_ERROR_ALLOCATION_FAILED;
  buffer->type = type, buffer->size = size, buffer->count = count;
  buffer->data = calloc(size, count);
  if (data) memcpy(buffer->data, data, (size_t)size * count);
  return VA_STATUS_SUCCESS;
}
static VAStatus map_buffer(VADriverContextP ctx, VABufferID id, void **data) {
  Thing *buffer = get(BUFFER, id);
  if (!buffer) return VA_STATUS_ERROR_INVALID_BUFFER;
  *data = buffer->data;
  return VA_STATUS_SUCCESS;
}
static VAStatus unmap_buffer(VADriverContextP ctx, VABufferID id) { return VA_STATUS_SUCCESS; }
static VAStatus destroy_buffer(VADriverContextP ctx, VABufferID id) { return destroy(BUFFER, id); }

static VAStatus begin(VADriverContextP ctx, VAContextID id, VASurfaceID target) {
  Thing *context = get(CONTEXT, id);
  if (!context) return VA_STATUS_ERROR_INVALID_CONTEXT;
  context->target = target, context->bytes = 0, context->has_slice = 0;
  return VA_STATUS_SUCCESS;
}
static VAStatus render(VADriverContextP ctx, VAContextID id, VABufferID *buffers, int count) {
  Thing *context = get(CONTEXT, id);
  if (!context) return VA_STATUS_ERROR_INVALID_CONTEXT;
  for (int n = 0; n < count; n++) {
    Thing *buffer = get(BUFFER, buffers[n]);
    if (!buffer) return VA_STATUS_ERROR_INVALID_BUFFER;
    if (buffer->type == VAPictureParameterBufferType) memcpy(&context->picture, buffer->data, sizeof context->picture);
    if (buffer->type == VASliceParameterBufferType && !context->has_slice++)
      memcpy(&context->slice, buffer->data, sizeof context->slice);
    if (buffer->type == VASliceDataBufferType) append(context, 0, buffer->data, (size_t)buffer->size * buffer->count, 0);
  }
  return VA_STATUS_SUCCESS;
}
static VAStatus end(VADriverContextP ctx, VAContextID id) {
  const char *fail = getenv("VA_SOFTWARE_FAIL"), *tally = getenv("VA_SOFTWARE_COUNT");
  const char *after = getenv("VA_SOFTWARE_FAIL_AFTER");
  static int pictures;
  if (fail && access(fail, F_OK) == 0) return VA_STATUS_ERROR_DECODING_ERROR;
  if (after && __atomic_add_fetch(&pictures, 1, __ATOMIC_SEQ_CST) > atoi(after)) return VA_STATUS_ERROR_DECODING_ERROR;
  Thing *context = get(CONTEXT, id);
  Thing *surface = context ? get(SURFACE, context->target) : NULL;
  if (!surface) return VA_STATUS_ERROR_INVALID_SURFACE;
  parameter_sets(context);
  context->packet->data = context->stream, context->packet->size = context->bytes;
  memset(context->stream + context->bytes, 0, AV_INPUT_BUFFER_PADDING_SIZE);
  if (avcodec_send_packet(context->decoder, context->packet) < 0 ||
      avcodec_receive_frame(context->decoder, context->frame) < 0)
    return VA_STATUS_ERROR_DECODING_ERROR;
  AVFrame *frame = context->frame;
  int width = surface->width < frame->width ? surface->width : frame->width;
  int height = surface->height < frame->height ? surface->height : frame->height;
  for (int y = 0; y < height; y++)
    memcpy(surface->data + (size_t)y * surface->width, frame->data[0] + (ptrdiff_t)y * frame->linesize[0], width);
  uint8_t *colours = surface->data + (size_t)surface->width * surface->height;
  for (int y = 0; y < height / 2; y++)
    for (int x = 0; x < width / 2; x++) {
      uint8_t *to = colours + (size_t)y * surface->width + 2 * x;
      to[0] = frame->data[1][(ptrdiff_t)y * frame->linesize[1] + x];
      to[1] = frame->data[2][(ptrdiff_t)y * frame->linesize[2] + x];
    }
  av_frame_unref(frame);
  if (tally) {
    FILE *file = fopen(tally, "a");
    if (file) fputc('.', file), fclose(file);
  }
  return VA_STATUS_SUCCESS;
}
static VAStatus sync_surface(VADriverContextP ctx, VASurfaceID id) { return VA_STATUS_SUCCESS; }
static VAStatus surface_status(VADriverContextP ctx, VASurfaceID id, VASurfaceStatus *status) {
  *status = VASurfaceReady;
  return VA_STATUS_SUCCESS;
}

static VAStatus image_formats(VADriverContextP ctx, VAImageFormat *list, int *count) {
  memset(list, 0, sizeof *list);
  list->fourcc = VA_FOURCC_NV12, list->byte_order = VA_LSB_FIRST, list->bits_per_pixel = 12, *count = 1;
  return VA_STATUS_SUCCESS;
}
static VAStatus create_image(VADriverContextP ctx, VAImageFormat *format, int width, int height, VAImage *image) {
  Thing *thing = make(IMAGE, &image->image_id);
  if (!thing) return VA_STATUS_ERROR_ALLOCATION_FAILED;
  thing->width = width, thing->height = height, thing->data = calloc(width * height, 2);
  Thing *buffer = make(BUFFER, &image->buf);
  if (!buffer) return VA_STATUS_ERROR_ALLOCATION_FAILED;
  thing->buffer = image->buf, buffer->data = thing->data, buffer->borrowed = 1, buffer->type = VAImageBufferType;
  image->format = *format, image->width = width, image->height = height;
  image->num_planes = 2, image->pitches[0] = image->pitches[1] = width;
  image->offsets[0] = 0, image->offsets[1] = width * height, image->data_size = width * height * 3 / 2;
  return VA_STATUS_SUCCESS;
}
static VAStatus destroy_image(VADriverContextP ctx, VAImageID id) {
  Thing *image = get(IMAGE, id);
  if (image) destroy(BUFFER, image->buffer);
  return destroy(IMAGE, id);
}
static VAStatus get_image(VADriverContextP ctx, VASurfaceID from, int x, int y, unsigned width, unsigned height,
                          VAImageID id) {
  Thing *surface = get(SURFACE, from), *image = get(IMAGE, id);
  if (!surface || !image || x || y) return VA_STATUS_ERROR_INVALID_PARAMETER;
  for (unsigned row = 0; row < height * 3 / 2; row++) {
    unsigned of = row < height ? row : surface->height + row - height;
    unsigned to = row < height ? row : image->height + row - height;
    memcpy(image->data + (size_t)to * image->width, surface->data + (size_t)of * surface->width, width);
  }
  return VA_STATUS_SUCCESS;
}

/* The oldest of the names that libva looks for. */
VAStatus __vaDriverInit_1_0(VADriverContextP ctx) {
  void **slots = (void **)ctx->vtable;
  for (size_t n = 0; n < sizeof(struct VADriverVTable) / sizeof(void *); n++) slots[n] = (void *)unimplemented;
  struct VADriverVTable *v = ctx->vtable;
  ctx->version_major = VA_MAJOR_VERSION, ctx->version_minor = VA_MINOR_VERSION;
  ctx->max_profiles = 3, ctx->max_entrypoints = 1, ctx->max_attributes = 4, ctx->max_image_formats = 1;
  ctx->max_subpic_formats = 1, ctx->max_display_attributes = 1, ctx->str_vendor = "libavcodec, for tests";
  v->vaTerminate = terminate, v->vaQueryConfigProfiles = profiles, v->vaQueryConfigEntrypoints = entrypoints;
  v->vaGetConfigAttributes = attributes, v->vaCreateConfig = create_config, v->vaDestroyConfig = destroy_config;
  v->vaQueryConfigAttributes = config, v->vaQuerySurfaceAttributes = surface_attributes;
  v->vaCreateSurfaces2 = create_surfaces, v->vaDestroySurfaces = destroy_surfaces;
  v->vaCreateContext = create_context, v->vaDestroyContext = destroy_context, v->vaCreateBuffer = create_buffer;
  v->vaMapBuffer = map_buffer, v->vaUnmapBuffer = unmap_buffer, v->vaDestroyBuffer = destroy_buffer;
  v->vaBeginPicture = begin, v->vaRenderPicture = render, v->vaEndPicture = end, v->vaSyncSurface = sync_surface;
  v->vaQuerySurfaceStatus = surface_status, v->vaQueryImageFormats = image_formats, v->vaCreateImage = create_image;
  v->vaDestroyImage = destroy_image, v->vaGetImage = get_image;
  return VA_STATUS_SUCCESS;
}
