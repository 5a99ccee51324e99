// JSON Schema (draft 2020-12, the part below) to an automaton over the JSON texts that satisfy it. Fail closed: a keyword that
// constrains and is not listed is refused with its place; annotations (title, description, default, examples ...) constrain nothing.
//
// Supported: true/false and {} ; type (also a list) ; enum ; const ; properties, required, additionalProperties (false, true or a
//   schema) ; items, prefixItems, minItems, maxItems ; minLength, maxLength ; pattern (grammar/regex.h) ; format (date, time,
//   date-time, duration, uuid, ipv4, ipv6, hostname, uri, email) ; minimum, maximum, exclusiveMinimum, exclusiveMaximum on integers, and whole
//   ones on numbers (which are then written without exponent) ; anyOf ; oneOf when no value can satisfy two branches (different types, or a property with different constants) ; allOf of one schema ; $ref into
//   $defs, definitions or "#" ; nullable.
// Refused: not, if/then/else, dependent*, patternProperties, propertyNames, minProperties, maxProperties, uniqueItems, contains,
//   unevaluated*, multipleOf, bounds with a fraction on numbers, minLength together with pattern, oneOf that may overlap, remote $ref.
//
// Properties are written in the order of the schema (as the schema's author sees them), further ones after them. White space: none, a
// space after ':' and ',', or a line break with at most 32 spaces of indentation.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "grammar/nfa.h"

namespace firesteel {

// kInvalidArgument (malformed schema) or kUnsupported (refused keyword), with the JSON pointer of the place.
Result<Nfa> compile_json_schema(const Json& schema, const GrammarLimits& limits);

// Any JSON object (response_format json_object).
Result<Nfa> compile_any_json_object(const GrammarLimits& limits);

}  // namespace firesteel
