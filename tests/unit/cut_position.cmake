hn_add_test(NAME text_cut_position_test SOURCES unit/text_cut_position_test.cpp LIBS hn::text LABELS unit)
