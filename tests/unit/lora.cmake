# LoRA files of peft, diffusers and kohya on the core.
if(TARGET hnhost_core_parts)
  hn_add_test(NAME lora_test TORCH LABELS unit SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/lora_file_test.cpp LIBS hnhost_core_parts)
endif()
