/* Tensors at the boundary are DLPack 1.x views (DLTensor): the caller owns the memory, the view is
 * borrowed for the call.
 *
 * strides are always given (in elements, never NULL), byte_offset is honoured, ndim 0 is a scalar.
 * The host allocates every tensor that crosses, outputs and gradients included. shape and strides
 * may point into memory that the owner keeps alive. */
#ifndef HN_TENSOR_H
#define HN_TENSOR_H

#include <hn/abi.h>
#include <hn/dlpack.h>

HN_SIZE_IS(DLDeviceType, 4);
HN_SIZE_IS(DLDevice, 8);
HN_SIZE_IS(DLDataType, 4);
HN_SIZE_IS(DLTensor, 48);
HN_FIELD_AT(DLTensor, device, 8);
HN_FIELD_AT(DLTensor, dtype, 20);
HN_FIELD_AT(DLTensor, byte_offset, 40);

#endif
