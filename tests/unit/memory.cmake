# Memory: activation checkpointing, quantised and mapped weights, tiles, prompts on disk.
if(TARGET hn::nn)
  hn_add_test(NAME memory_blocks_test SOURCES unit/memory_checkpoint_test.cpp unit/memory_tiles_test.cpp LIBS hn::nn TORCH LABELS unit)
  hn_add_test(NAME memory_weights_test SOURCES unit/memory_weights_test.cpp unit/memory_quantise_test.cpp LIBS hn::nn TORCH LABELS unit)
endif()
if(TARGET hn::generator)
  hn_add_test(NAME memory_prompts_test SOURCES unit/memory_prompts_test.cpp LIBS hn::generator TORCH LABELS unit)
endif()
