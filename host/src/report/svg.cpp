#include "report/svg.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>

namespace hn::host {
namespace {

constexpr double kWidth = 460, kHeight = 260;
constexpr double kLeft = 58, kRight = 12, kTop = 14, kBottom = 40;

struct Range {
  double low = 0, high = 1;
  double share(double value) const { return (value - low) / (high - low); }
};

// The finite values' range, a little widened; false where there is none.
bool cover(const std::vector<Series>& all, std::vector<double> Series::*axis, Range& range) {
  bool any = false;
  for (const Series& series : all) {
    for (const double value : series.*axis) {
      if (!std::isfinite(value)) continue;
      range.low = any ? std::min(range.low, value) : value;
      range.high = any ? std::max(range.high, value) : value;
      any = true;
    }
  }
  if (!any) return false;
  double slack = 0.04 * (range.high - range.low);
  if (slack == 0) slack = range.low == 0 ? 1 : 0.05 * std::abs(range.low);
  range.low -= slack;
  range.high += slack;
  return true;
}

std::string fixed(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f", value);
  return text.data();
}

double place_x(const Range& range, double value) {
  return kLeft + range.share(value) * (kWidth - kLeft - kRight);
}
double place_y(const Range& range, double value) {
  return kHeight - kBottom - range.share(value) * (kHeight - kTop - kBottom);
}

std::string text_at(double x, double y, const char* anchor, const std::string& text,
                    const std::string& more = "") {
  return "<text x=\"" + fixed(x) + "\" y=\"" + fixed(y) + "\" text-anchor=\"" + anchor + "\"" +
         more + ">" + escape_html(text) + "</text>";
}

std::string axes(const Chart& chart, const Range& xs, const Range& ys) {
  std::string out = "<g class=\"axis\">";
  for (const double tick : nice_ticks(xs.low, xs.high, 6)) {
    const double x = place_x(xs, tick);
    out += "<line x1=\"" + fixed(x) + "\" x2=\"" + fixed(x) + "\" y1=\"" + fixed(kTop) +
           "\" y2=\"" + fixed(kHeight - kBottom) + "\"/>" +
           text_at(x, kHeight - kBottom + 14, "middle", number_text(tick));
  }
  for (const double tick : nice_ticks(ys.low, ys.high, 5)) {
    const double y = place_y(ys, tick);
    out += "<line x1=\"" + fixed(kLeft) + "\" x2=\"" + fixed(kWidth - kRight) + "\" y1=\"" +
           fixed(y) + "\" y2=\"" + fixed(y) + "\"/>" +
           text_at(kLeft - 6, y + 4, "end", number_text(tick));
  }
  const double middle = (kTop + kHeight - kBottom) / 2;
  out += text_at((kLeft + kWidth - kRight) / 2, kHeight - 6, "middle", chart.x_label);
  out += text_at(13, middle, "middle", chart.y_label,
                 " transform=\"rotate(-90 13 " + fixed(middle) + ")\"");
  return out + "</g>";
}

std::string curve(const Series& series, const Range& xs, const Range& ys) {
  std::string colour = "c";
  colour += std::to_string(series.colour % 6);
  std::string path, dots;
  bool pen_down = false;
  const std::size_t n = std::min(series.x.size(), series.y.size());
  for (std::size_t i = 0; i < n; ++i) {
    if (!std::isfinite(series.x[i]) || !std::isfinite(series.y[i])) {
      pen_down = false;
      continue;
    }
    const std::string x = fixed(place_x(xs, series.x[i]));
    const std::string y = fixed(place_y(ys, series.y[i]));
    path += (pen_down ? "L" : "M") + x + " " + y;
    pen_down = true;
    if (!series.markers && n > 1) continue;
    dots += "<circle cx=\"" + x + "\" cy=\"" + y + "\" r=\"" + (i + 1 == n ? "5" : "3") + "\">";
    dots += "<title>" + escape_html(i < series.label.size() ? series.label[i] : series.name) +
            "</title></circle>";
  }
  return "<g class=\"" + colour + "\"><path d=\"" + path + "\"/>" + dots + "</g>";
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string base64(std::string_view bytes) {
  static constexpr char kLetters[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k)
      out += i + k <= bytes.size() ? kLetters[(group >> (18 - 6 * k)) & 63] : '=';
  }
  return out;
}

std::string number_text(double value) {
  if (!std::isfinite(value)) return "-";
  if (std::abs(value) < 1e-12) value = 0;  // a tick at 1e-17 is zero
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4g", value);
  return text.data();
}

std::vector<double> nice_ticks(double low, double high, int wanted) {
  const double raw = (high - low) / wanted;
  if (!(raw > 0) || !std::isfinite(raw)) return {};
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  const double rest = raw / power;
  const double step = power * (rest < 1.5 ? 1 : rest < 3.5 ? 2 : rest < 7.5 ? 5 : 10);
  std::vector<double> ticks;
  for (double k = std::ceil(low / step); k * step <= high; ++k) ticks.push_back(k * step);
  return ticks;
}

std::string svg_chart(const Chart& chart) {
  std::string out = "<figure><figcaption>" + escape_html(chart.title) + "</figcaption>";
  Range xs, ys;
  if (!cover(chart.series, &Series::x, xs) || !cover(chart.series, &Series::y, ys))
    return out + "<p>nothing measured</p></figure>";
  out += "<svg viewBox=\"0 0 " + fixed(kWidth) + " " + fixed(kHeight) + "\" role=\"img\">";
  out += axes(chart, xs, ys);
  for (const Series& series : chart.series) out += curve(series, xs, ys);
  out += "</svg>";
  if (chart.series.size() > 1) {
    out += "<div class=\"legend\">";
    for (const Series& series : chart.series)
      out += "<span class=\"k" + std::to_string(series.colour % 6) + "\">" +
             escape_html(series.name) + "</span> ";
    out += "</div>";
  }
  return out + "</figure>";
}

}  // namespace hn::host
