# the SDK's blocks without LibTorch: formats and text.
if(TARGET hn::formats)
  hn_add_test(NAME formats_files_test SOURCES unit/formats_input_file_test.cpp unit/formats_kind_of_file_test.cpp unit/formats_text_test.cpp LIBS hn::formats LABELS unit)
  hn_add_test(NAME formats_json_test SOURCES unit/formats_json_file_test.cpp LIBS hn::formats LABELS unit)
  hn_add_test(NAME formats_safetensors_test
    SOURCES unit/formats_atomic_file_test.cpp unit/formats_safetensors_file_test.cpp
      unit/formats_safetensors_folder_test.cpp unit/formats_safetensors_writer_test.cpp
    LIBS hn::formats LABELS unit)
  find_package(ZLIB REQUIRED)
  find_package(ICU REQUIRED COMPONENTS uc)
  hn_add_test(NAME text_tokenizers_test SOURCES unit/text_tokenizer_test.cpp unit/text_clip_tokenizer_test.cpp unit/text_side_files_test.cpp unit/text_normalizers_test.cpp
    LIBS hn::text hn::formats ZLIB::ZLIB LABELS unit)
  hn_add_test(NAME formats_damage_test SOURCES unit/formats_damage_test.cpp LIBS hn::text hn::formats ZLIB::ZLIB LABELS unit)
  hn_add_test(NAME text_tokenizers_parity_test SOURCES unit/text_tokenizers_parity_test.cpp
    LIBS hn::text hn::formats ICU::uc ZLIB::ZLIB LABELS unit)
endif()
