# plugins/common without LibTorch: json, safetensors, tokenizers.
if(TARGET hn_safetensors)
  hn_add_test(NAME common_files_test SOURCES unit/common_input_file_test.cpp unit/common_kind_of_file_test.cpp unit/common_text_test.cpp LIBS hn_files LABELS unit)
  hn_add_test(NAME common_json_test SOURCES unit/common_json_file_test.cpp LIBS hn_json LABELS unit)
  hn_add_test(NAME common_safetensors_test
    SOURCES unit/common_atomic_file_test.cpp unit/common_safetensors_file_test.cpp
      unit/common_safetensors_folder_test.cpp unit/common_safetensors_writer_test.cpp
    LIBS hn_safetensors LABELS unit)
  find_package(ZLIB REQUIRED)
  find_package(ICU REQUIRED COMPONENTS uc)
  hn_add_test(NAME common_tokenizers_test SOURCES unit/common_tokenizer_test.cpp unit/common_clip_tokenizer_test.cpp unit/common_side_files_test.cpp unit/common_normalizers_test.cpp
    LIBS hn_tokenizers hn_json ZLIB::ZLIB LABELS unit)
  hn_add_test(NAME common_damage_test SOURCES unit/common_damage_test.cpp LIBS hn_tokenizers hn_json ZLIB::ZLIB LABELS unit)
  hn_add_test(NAME common_tokenizers_parity_test SOURCES unit/common_tokenizers_parity_test.cpp
    LIBS hn_tokenizers hn_json ICU::uc ZLIB::ZLIB LABELS unit)
endif()
