// Milliseconds that each file takes to decode: bench_decode ROUNDS FILE... prints "FILE MS" a
// round. decoding.py sets them beside Pillow's.
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>

#include "files/decode_image.hpp"

int main(int count, char** arguments) {
  for (int round = 0; count > 1 && round < std::atoi(arguments[1]); ++round)
    for (int i = 2; i < count; ++i) {
      std::ifstream file(arguments[i], std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(file), {}};
      const auto begin = std::chrono::steady_clock::now();
      const hn::host::Image image = hn::host::decode_image(bytes, arguments[i]);
      const std::chrono::duration<double, std::milli> took =
          std::chrono::steady_clock::now() - begin;
      std::cout << arguments[i] << " " << (image.rgb.empty() ? 0 : took.count()) << "\n";
    }
}
