// Package export_keyhole_backend_backend is a secret store that speaks JSON over HTTP. The generated code calls its
// functions Describe, Validate and Fetch; the name of the package is the generator's.
//
//	GET ADDRESS/v1/secrets/KEY                          {"value": "...", "version": "3"}    ETag: "3"
//	GET ADDRESS/v1/secrets?prefix=PATH&recursive=BOOL   {"secrets": [{"key": "...", "value": "...", "version": "3"}]}
//
// The store wants a bearer token. The host adds it on the way out; this plugin never sees it.
package export_keyhole_backend_backend

import (
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"

	types "example.com/json-store/internal/keyhole_backend_types"
	"example.com/json-store/jsonhttp"
	wit "go.bytecodealliance.org/pkg/wit/types"
)

const settingsSchema = `{
	"type": "object",
	"required": ["address"],
	"properties": {
		"address": {"type": "string", "description": "Where the store is, e.g. https://store.example.com."},
		"prefix": {
			"type": "string",
			"default": "",
			"description": "Put before every key and path, e.g. team-a.",
			"x-keyhole-scope": "object"
		}
	}
}`

type settings struct {
	Address string `json:"address"`
	Prefix  string `json:"prefix"`
}

// One secret, as the store says it.
type entry struct {
	Key     string `json:"key"`
	Value   string `json:"value"`
	Version string `json:"version"`
}

func Describe() types.Description {
	return types.Description{
		Name:           "example-go",
		Version:        "0.1.0",
		BackendTypes:   []types.BackendType{{Name: "exampleGo"}},
		SettingsSchema: settingsSchema,
		OptionsSchema:  `{"type": "object", "additionalProperties": false}`,
		Credentials:    []types.CredentialWant{types.MakeCredentialWantHeader("authorization")},
		MaxBatch:       50,
		Metadata:       "{}",
	}
}

func Validate(text string) []types.Problem {
	var said settings
	if err := json.Unmarshal([]byte(text), &said); err != nil {
		return []types.Problem{{Path: "", Message: err.Error()}}
	}
	var problems []types.Problem
	if !strings.HasPrefix(said.Address, "https://") && !strings.HasPrefix(said.Address, "http://") {
		problems = append(problems, types.Problem{Path: "/address", Message: "must be a URL such as https://store.example.com"})
	}
	if _, ok := jsonhttp.EncodePath(said.Prefix); !ok {
		problems = append(problems, types.Problem{Path: "/prefix", Message: "must not lead out of its folder by `.` or `..`"})
	}
	return problems
}

// Fetch answers each request alone: one that fails must not take the others with it.
func Fetch(call types.Call, requests []types.Request) wit.Result[[]types.Outcome, types.Error] {
	var said settings
	if err := json.Unmarshal([]byte(call.Settings), &said); err != nil {
		message := "the settings cannot be read"
		return wit.Err[[]types.Outcome](types.Error{Kind: types.MakeErrorKindInvalid("/settings"), Message: message})
	}
	outcomes := make([]types.Outcome, len(requests))
	for i, request := range requests {
		outcome, err := said.outcome(request)
		if err != nil {
			outcome = types.MakeOutcomeFailed(jsonhttp.AsError(err))
		}
		outcomes[i] = outcome
	}
	return wit.Ok[[]types.Outcome, types.Error](outcomes)
}

func (s settings) outcome(request types.Request) (types.Outcome, error) {
	if request.Selector.Tag() == types.SelectorPrefix {
		return s.values(request.Selector.Prefix())
	}
	return s.value(request.Selector.Key(), request.KnownVersion)
}

func (s settings) value(key string, known wit.Option[string]) (types.Outcome, error) {
	none := types.Outcome{}
	encoded, ok := jsonhttp.EncodePath(join(s.Prefix, key))
	if !ok {
		return none, jsonhttp.Fail(types.MakeErrorKindInvalid("/key"), fmt.Sprintf("%q leads out of its folder", key))
	}
	headers := map[string]string{}
	if known.IsSome() {
		headers["if-none-match"] = strconv.Quote(known.Some())
	}
	answer, err := jsonhttp.Get(s.secrets()+"/"+encoded, headers)
	if err != nil {
		return none, err
	}
	if answer.Status == 304 && known.IsSome() {
		return types.MakeOutcomeUnchanged(), nil
	}
	if answer.Status == 404 {
		return none, jsonhttp.Fail(types.MakeErrorKindNotFound(), fmt.Sprintf("no secret %q in the store", key))
	}
	var found entry
	if err := answer.JSON(&found); err != nil {
		return none, err
	}
	return types.MakeOutcomeValue(types.Value{
		Content: types.MakeContentText(found.Value),
		Version: wit.Some(found.Version),
	}), nil
}

func (s settings) values(prefix types.Prefix) (types.Outcome, error) {
	query := url.Values{"prefix": {join(s.Prefix, prefix.Path)}, "recursive": {strconv.FormatBool(prefix.Recursive)}}
	answer, err := jsonhttp.Get(s.secrets()+"?"+query.Encode(), nil)
	if err != nil {
		return types.Outcome{}, err
	}
	var listing struct {
		Secrets []entry `json:"secrets"`
	}
	if err := answer.JSON(&listing); err != nil {
		return types.Outcome{}, err
	}
	values := make([]types.NamedValue, len(listing.Secrets))
	for i, found := range listing.Secrets {
		values[i] = types.NamedValue{
			// The last part of the key is the name that the value gets in the Secret.
			Name:     path.Base(found.Key),
			FullName: found.Key,
			Content:  types.MakeContentText(found.Value),
			Version:  wit.Some(found.Version),
		}
	}
	return types.MakeOutcomeValues(values), nil
}

func (s settings) secrets() string {
	return strings.TrimRight(s.Address, "/") + "/v1/secrets"
}

func join(parts ...string) string {
	var kept []string
	for _, part := range parts {
		if part = strings.Trim(part, "/"); part != "" {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "/")
}
