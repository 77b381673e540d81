# plugins/common without LibTorch: json, safetensors, tokenizers.
if(TARGET hn_safetensors)
  hn_add_test(NAME common_json_test SOURCES unit/common_json_file_test.cpp LIBS hn_json LABELS unit)
  hn_add_test(NAME common_safetensors_test
    SOURCES unit/common_atomic_file_test.cpp unit/common_safetensors_file_test.cpp
      unit/common_safetensors_folder_test.cpp unit/common_safetensors_writer_test.cpp
    LIBS hn_safetensors LABELS unit)
endif()
