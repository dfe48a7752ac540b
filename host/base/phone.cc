// C++ because libphonenumber has no C interface. No exception leaves it.
#include "base/phone.h"

#include <phonenumbers/phonenumberutil.h>

#include <cstdio>
#include <cstring>
#include <string>

using i18n::phonenumbers::PhoneNumber;
using i18n::phonenumbers::PhoneNumberUtil;

static const char *explain(PhoneNumberUtil::ErrorType error)
{
    switch (error) {
    case PhoneNumberUtil::INVALID_COUNTRY_CODE_ERROR:
        return "no country code, and no default country to take it from";
    case PhoneNumberUtil::TOO_SHORT_AFTER_IDD:
    case PhoneNumberUtil::TOO_SHORT_NSN:
        return "too short for a telephone number";
    case PhoneNumberUtil::TOO_LONG_NSN:
        return "too long for a telephone number";
    default:
        return "not a telephone number";
    }
}

static const PhoneNumberUtil *plans()
{
    static const PhoneNumberUtil *const util = PhoneNumberUtil::GetInstance();
    return util;
}

extern "C" void phone_prepare(void)
{
    plans();
}

extern "C" int phone_parse(const char *text, const char *region, struct phone *phone, const char **reason)
{
    const PhoneNumberUtil *util = plans();
    PhoneNumber number;
    if (strnlen(text, PHONE_TEXT_BYTES + 1) > PHONE_TEXT_BYTES) {
        *reason = "too long for a telephone number";
        return -1;
    }
    PhoneNumberUtil::ErrorType error =
        util->Parse(text, region == nullptr || *region == '\0' ? "ZZ" : region, &number);
    if (error != PhoneNumberUtil::NO_PARSING_ERROR) {
        *reason = explain(error);
        return -1;
    }
    if (number.has_extension()) {
        *reason = "an extension, which no text message reaches";
        return -1;
    }
    // Not IsPossibleNumber, which also takes what can be dialled inside one town only, so short codes too.
    if (util->IsPossibleNumberWithReason(number) != PhoneNumberUtil::IS_POSSIBLE) {
        *reason = "the wrong number of digits for its country";
        return -1;
    }
    std::string e164, national, digits, country;
    util->Format(number, PhoneNumberUtil::E164, &e164);
    util->Format(number, PhoneNumberUtil::NATIONAL, &national);
    for (char c : national)
        if (c >= '0' && c <= '9')
            digits += c;
    util->GetRegionCodeForNumber(number, &country);
    if (country == "ZZ") // not within the plan as it is known here, which may be older than the number
        util->GetRegionCodeForCountryCode(number.country_code(), &country);
    if (country == "ZZ" || country == "001")
        country.clear();
    PhoneNumberUtil::PhoneNumberType type = util->GetNumberType(number);
    std::snprintf(phone->e164, sizeof phone->e164, "%s", e164.c_str());
    std::snprintf(phone->national, sizeof phone->national, "%s", digits.c_str());
    std::snprintf(phone->region, sizeof phone->region, "%s", country.c_str());
    phone->mobile = type == PhoneNumberUtil::MOBILE || type == PhoneNumberUtil::FIXED_LINE_OR_MOBILE;
    phone->valid = util->IsValidNumber(number);
    return 0;
}
