// C++ because CCTZ has no C interface. No exception leaves it.
#include "base/zone.h"

#include <cctz/civil_time.h>
#include <cctz/time_zone.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

extern "C" {
#include "base/bytes.h"
}

namespace files = std::filesystem;

namespace
{

constexpr size_t name_bytes_most = 40; // the longest of tzdata has 32
constexpr int offset_hours_most = 14;  // Kiritimati

struct zone {
    std::string name;
    std::once_flag once;
    cctz::time_zone times;
    bool readable = false;

    explicit zone(std::string called) : name(std::move(called))
    {
    }
};

using zones = std::vector<std::unique_ptr<zone>>;

// The folder holds other things too ("posix", "localtime", "zone.tab"): a zone's name has no dot, and each of
// its words begins with a capital.
bool is_name(const std::string &word)
{
    return word[0] >= 'A' && word[0] <= 'Z' && word.find('.') == std::string::npos;
}

void gather(const files::path &folder, const std::string &prefix, zones *found)
{
    std::error_code error;
    for (files::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
        std::string word = entry->path().filename().string();
        std::error_code unreadable;
        if (!is_name(word))
            continue;
        if (entry->is_directory(unreadable))
            gather(entry->path(), prefix + word + "/", found);
        else
            found->push_back(std::make_unique<zone>(prefix + word));
    }
}

bool is_before(const std::unique_ptr<zone> &a, const std::string &name)
{
    return a->name < name;
}

const zones *gather_all()
{
    auto *found = new zones; // for as long as the process lives: threads may outlive static objects
    const char *folder = std::getenv("TZDIR"); // CCTZ reads there too
    gather(folder == nullptr || *folder == '\0' ? "/usr/share/zoneinfo" : folder, "", found);
    std::sort(found->begin(), found->end(), [](const auto &a, const auto &b) { return a->name < b->name; });
    return found;
}

const zones &all_zones()
{
    static const zones *const found = gather_all();
    return *found;
}

const char *explain_unknown(const char *name)
{
    thread_local std::string reason;
    std::vector<const char *> names;
    for (const auto &zone : all_zones())
        names.push_back(zone->name.c_str());
    names.push_back(nullptr);
    const char *nearest =
        strnlen(name, name_bytes_most) < name_bytes_most ? text_suggest(name, names.data()) : nullptr;
    reason = std::string("the zone ") + std::string(name, strnlen(name, name_bytes_most)) + " is not known";
    if (nearest != nullptr)
        reason += std::string("; did you mean ") + nearest + "?";
    else if (names.size() == 1)
        reason += ", for there is no tzdata here: offsets such as +08:00, and UTC, are";
    else
        reason += "; give a name such as Asia/Manila, or an offset such as +08:00";
    return reason.c_str();
}

bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool read_offset(const char *text, cctz::time_zone *times)
{
    if ((text[0] != '+' && text[0] != '-') || strnlen(text, 7) != 6 || text[3] != ':' || !is_digit(text[1]) ||
        !is_digit(text[2]) || !is_digit(text[4]) || !is_digit(text[5]))
        return false;
    int hours = (text[1] - '0') * 10 + text[2] - '0';
    int minutes = (text[4] - '0') * 10 + text[5] - '0';
    if (minutes > 59 || hours * 60 + minutes > offset_hours_most * 60)
        return false;
    int seconds = (hours * 60 + minutes) * 60;
    *times = cctz::fixed_time_zone(cctz::seconds(text[0] == '-' ? -seconds : seconds));
    return true;
}

zone *find_named(const char *name)
{
    if (strnlen(name, name_bytes_most) == name_bytes_most)
        return nullptr;
    auto found = std::lower_bound(all_zones().begin(), all_zones().end(), std::string(name), is_before);
    return found != all_zones().end() && (*found)->name == name ? found->get() : nullptr;
}

bool read_named(const char *name, cctz::time_zone *times)
{
    zone *named = find_named(name);
    if (named == nullptr)
        return false;
    std::call_once(named->once,
                   [named] { named->readable = cctz::load_time_zone(named->name, &named->times); });
    *times = named->times;
    return named->readable;
}

bool is_utc(const char *name)
{
    return std::strcmp(name, "UTC") == 0;
}

bool find(const char *name, cctz::time_zone *times, const char **reason)
{
    if (is_utc(name)) {
        *times = cctz::utc_time_zone();
        return true;
    }
    if (read_offset(name, times) || read_named(name, times))
        return true;
    *reason = explain_unknown(name);
    return false;
}

using instant = std::chrono::time_point<std::chrono::system_clock, cctz::seconds>;

int64_t floor_seconds(int64_t ms)
{
    return ms / 1000 - (ms % 1000 < 0 ? 1 : 0);
}

} // namespace

extern "C" void zone_prepare(void)
{
    all_zones();
}

extern "C" bool zone_is_known(const char *name)
{
    cctz::time_zone times;
    return is_utc(name) || read_offset(name, &times) || find_named(name) != nullptr;
}

extern "C" int zone_civil_at(const char *name, int64_t ms, struct zone_civil *civil, const char **reason)
{
    cctz::time_zone times;
    if (ms < ZONE_MS_LEAST || ms > ZONE_MS_MOST) {
        *reason = "the time is not within the years 1 to 9999";
        return -1;
    }
    if (!find(name, &times, reason))
        return -1;
    cctz::time_zone::absolute_lookup there = times.lookup(instant(cctz::seconds(floor_seconds(ms))));
    civil->year = static_cast<int>(there.cs.year());
    civil->month = there.cs.month();
    civil->day = there.cs.day();
    civil->hour = there.cs.hour();
    civil->minute = there.cs.minute();
    civil->second = there.cs.second();
    civil->weekday = static_cast<int>(cctz::get_weekday(cctz::civil_day(there.cs))) + 1;
    civil->offset_s = there.offset;
    return 0;
}

extern "C" int zone_instant_of(const char *name, const struct zone_civil *civil, int64_t *ms,
                               enum zone_kind *kind, const char **reason)
{
    using lookup = cctz::time_zone::civil_lookup;
    cctz::time_zone times;
    if (!find(name, &times, reason))
        return -1;
    cctz::civil_second clock(civil->year, civil->month, civil->day, civil->hour, civil->minute,
                             civil->second);
    if (clock.year() < 1 || clock.year() > 9999) {
        *reason = "the time is not within the years 1 to 9999";
        return -1;
    }
    lookup there = times.lookup(clock);
    *kind = there.kind == lookup::SKIPPED ? ZONE_SKIPPED
                                          : (there.kind == lookup::REPEATED ? ZONE_REPEATED : ZONE_UNIQUE);
    instant when = there.kind == lookup::SKIPPED ? there.trans : there.pre;
    *ms = when.time_since_epoch().count() * 1000;
    return 0;
}
