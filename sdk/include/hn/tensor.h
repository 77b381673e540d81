/* Tensors at the boundary are DLPack 1.x views (DLTensor): the caller owns the memory.
 *
 * - strides are always given (in elements, never NULL, never negative), byte_offset is honoured,
 *   ndim 0 is a scalar, at most 8 dimensions cross.
 * - The address of the first element is a multiple of the element's size; nothing more is promised.
 * - Outputs and gradients overlap neither one another nor any input, and no two of their elements
 *   share an address. Inputs may be views of one another, and broadcast (a stride of 0).
 * - The host allocates every tensor that crosses, outputs and gradients included.
 * - The DLTensor, its shape, strides and data are borrowed for the call; those of a forward that
 *   gives a saved until saved_release (fn.h). */
#ifndef HN_TENSOR_H
#define HN_TENSOR_H

#include <hn/abi.h>
#include <hn/dlpack.h>

HN_EXTERN_C_BEGIN

#define HN_MAX_DIMS 8

HN_SIZE_IS(DLDeviceType, 4);
HN_SIZE_IS(DLDevice, 8);
HN_SIZE_IS(DLDataType, 4);
HN_SIZE_IS(DLTensor, 48);
HN_FIELD_AT(DLTensor, device, 8);
HN_FIELD_AT(DLTensor, dtype, 20);
HN_FIELD_AT(DLTensor, byte_offset, 40);

HN_EXTERN_C_END

#endif
