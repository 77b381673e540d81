# Files that are not configuration: pictures, tables, tensors, events.
target_sources(hnhost_lib PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/append_file.cpp
  ${CMAKE_CURRENT_LIST_DIR}/decode_image.cpp
  ${CMAKE_CURRENT_LIST_DIR}/event_file.cpp
  ${CMAKE_CURRENT_LIST_DIR}/image.cpp
  ${CMAKE_CURRENT_LIST_DIR}/item_table.cpp
  ${CMAKE_CURRENT_LIST_DIR}/jpeg.cpp
  ${CMAKE_CURRENT_LIST_DIR}/natural_order.cpp
  ${CMAKE_CURRENT_LIST_DIR}/orientation.cpp
  ${CMAKE_CURRENT_LIST_DIR}/picture_header.cpp
  ${CMAKE_CURRENT_LIST_DIR}/pictures.cpp
  ${CMAKE_CURRENT_LIST_DIR}/png.cpp
  ${CMAKE_CURRENT_LIST_DIR}/prompt_row.cpp
  ${CMAKE_CURRENT_LIST_DIR}/tensor_file.cpp
  ${CMAKE_CURRENT_LIST_DIR}/webp.cpp)
# The decoders of pictures that are scored, each behind one file: libpng, libjpeg-turbo, libwebp (Debian's libpng-dev,
# libjpeg62-turbo-dev, libwebp-dev).
find_package(PNG REQUIRED)
find_package(JPEG REQUIRED)
find_path(WEBP_INCLUDE_DIR webp/demux.h REQUIRED)
find_library(WEBP_LIBRARY webp REQUIRED)
find_library(WEBP_DEMUX_LIBRARY webpdemux REQUIRED)
target_include_directories(hnhost_lib PRIVATE ${PNG_INCLUDE_DIRS} ${JPEG_INCLUDE_DIRS} ${WEBP_INCLUDE_DIR})
target_link_libraries(hnhost_lib PRIVATE $<BUILD_INTERFACE:PNG::PNG> $<BUILD_INTERFACE:ZLIB::ZLIB>
  $<BUILD_INTERFACE:JPEG::JPEG> $<BUILD_INTERFACE:${WEBP_DEMUX_LIBRARY}> $<BUILD_INTERFACE:${WEBP_LIBRARY}>)
target_link_libraries(hnhost_lib PRIVATE $<BUILD_INTERFACE:hn::formats>)
