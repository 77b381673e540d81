hn_add_test(NAME common_cut_position_test SOURCES unit/common_cut_position_test.cpp LIBS hn_tokenizers LABELS unit)
