// The frame, tables and pictures that every report shares.
#include <algorithm>

#include "report/report.hpp"
#include "report/svg.hpp"

namespace hn::host {
namespace {

constexpr const char* kStyle = R"css(
:root{--ink:#1d2430;--dim:#5c6675;--line:#d9dee6;--page:#fff;--box:#f6f7f9;
--c0:#0b6e99;--c1:#c4441c;--c2:#2e7d32;--c3:#7b3fa0;--c4:#a06a00;--c5:#b0256b;--good:#1b7f3b;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ef;--dim:#9aa4b2;--line:#39414d;--page:#14181f;--box:#1c222b;
--c0:#5cc0ea;--c1:#ff8a65;--c2:#81c784;--c3:#ce93d8;--c4:#ffca60;--c5:#f48fb1;--good:#6fd08c;--bad:#ff8a80}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);max-width:70rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}.dim{color:var(--dim)}
table{border-collapse:collapse;margin:.6rem 0}td,th{padding:.25rem .7rem;border-bottom:1px solid var(--line);text-align:right}
td:first-child,th:first-child{text-align:left}th{font-weight:600}.better{color:var(--good)}.worse{color:var(--bad)}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(20rem,1fr));gap:1rem}
figure{margin:0;background:var(--box);padding:.6rem;border-radius:6px}figcaption{font-weight:600;margin-bottom:.2rem}
svg{width:100%;height:auto;display:block}svg text{font-size:11px;fill:var(--dim)}svg line{stroke:var(--line)}
svg path{fill:none;stroke-width:1.8;stroke:currentColor}svg circle{fill:currentColor}
.c0,.k0{color:var(--c0)}.c1,.k1{color:var(--c1)}.c2,.k2{color:var(--c2)}.c3,.k3{color:var(--c3)}.c4,.k4{color:var(--c4)}.c5,.k5{color:var(--c5)}
.legend{font-size:.85rem}.legend span::before{content:"\25CF\00A0"}.legend span{margin-right:.8rem}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(13.5rem,1fr));gap:1rem}
.pictures div{background:var(--box);padding:.5rem;border-radius:6px}.pictures p{margin:.3rem 0 0;font-size:.85rem}
.pictures img{width:48.5%;image-rendering:pixelated;vertical-align:top}
pre{background:var(--box);padding:.8rem;border-radius:6px;overflow:auto;font-size:.8rem})css";

// Averages square blocks until no side is above `limit`: pages stay small with 1024 px pictures.
Image shrunk(const Image& image, int limit) {
  const int factor = (std::max(image.width, image.height) + limit - 1) / limit;
  if (factor <= 1) return image;
  Image out;
  out.width = std::max(1, image.width / factor);
  out.height = std::max(1, image.height / factor);
  out.rgb.resize(std::size_t{3} * out.width * out.height);
  for (int y = 0; y < out.height; ++y) {
    for (int x = 0; x < out.width; ++x) {
      for (int channel = 0; channel < 3; ++channel) {
        int sum = 0;
        int count = 0;
        for (int dy = 0; dy < factor && y * factor + dy < image.height; ++dy) {
          for (int dx = 0; dx < factor && x * factor + dx < image.width; ++dx) {
            const std::size_t row = static_cast<std::size_t>(y) * factor + dy;
            sum += image.rgb[3 * (row * image.width + x * factor + dx) + channel];
            ++count;
          }
        }
        out.rgb[3 * (static_cast<std::size_t>(y) * out.width + x) + channel] =
            static_cast<std::uint8_t>((sum + count / 2) / count);
      }
    }
  }
  return out;
}

std::string picture(const Image& image, const std::string& caption) {
  return "<img alt=\"" + escape_html(caption) + "\" title=\"" + escape_html(caption) +
         "\" src=\"data:image/png;base64," + base64(encode_png(shrunk(image, 256))) + "\"/>";
}

double number(const nlohmann::ordered_json& mean, const char* key) {
  return mean.at(key).is_number() ? mean.at(key).get<double>()
                                  : std::numeric_limits<double>::quiet_NaN();
}

std::string with_error(const nlohmann::ordered_json& mean) {
  return number_text(number(mean, "mean")) + " ± " + number_text(number(mean, "se"));
}

}  // namespace

std::string html_page(const std::string& title, const std::string& body) {
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><meta "
         "name=\"viewport\" "
         "content=\"width=device-width\"/><title>" +
         escape_html(title) + "</title><style>" + kStyle + "</style></head>\n<body>\n<h1>" +
         escape_html(title) + "</h1>\n" + body + "\n</body></html>\n";
}

std::string measures_table(const nlohmann::ordered_json& measures) {
  const std::string header =
      "<table><tr><th>measure</th><th>before</th><th>after</th><th>paired difference ± standard "
      "error</th><th>prompts</th><th>beyond 2 standard errors</th></tr>";
  std::string rewards, parts;
  for (const auto& row : measures) {
    const auto name = row.at("name").get<std::string>();
    const auto verdict = row.at("verdict").get<std::string>();
    const bool is_part = name.find('.') != std::string::npos;
    const auto role =
        is_part || row.at("trained").get<bool>() ? "" : " <span class=\"dim\">measured only</span>";
    (is_part ? parts : rewards) +=
        "<tr><td>" + escape_html(name) + role + "</td><td>" + with_error(row.at("before")) +
        "</td><td>" + with_error(row.at("after")) + "</td><td>" + with_error(row.at("difference")) +
        "</td><td>" + std::to_string(row.at("difference").at("n").get<std::size_t>()) +
        "</td><td class=\"" + (verdict == "no clear change" ? "dim" : verdict) + "\">" + verdict +
        "</td></tr>";
  }
  std::string out = header + rewards + "</table>";
  if (!parts.empty())
    out += "<details><summary>further outputs of the rewards</summary>" + header + parts +
           "</table></details>";
  return out;
}

std::string picture_table(const std::vector<PicturePair>& pairs, const std::string& before,
                          const std::string& after) {
  std::string out = "<div class=\"pictures\">";
  for (const PicturePair& pair : pairs)
    out += "<div>" + picture(pair.before, before + ": " + pair.prompt) + " " +
           picture(pair.after, after + ": " + pair.prompt) + "<p>" + escape_html(pair.prompt) +
           "</p></div>";
  return out + "</div>";
}

}  // namespace hn::host
