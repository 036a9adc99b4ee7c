package stanza

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const conditionNS = "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'"

func TestErrorSurvives(t *testing.T) {
	for condition, typ := range conditionTypes {
		for _, text := range []string{"", "why & <how>"} {
			want := NewError(condition, text)
			want.By = "dso.example"
			got, err := ParseError(AppendError(nil, want))
			if err != nil || !cmp.Equal(want, got) {
				t.Errorf("%v became %+v, %v", want, got, err)
			}
			if got.Type != typ {
				t.Errorf("the type of %s is %s, want %s", condition, got.Type, typ)
			}
		}
	}
}

func TestParseError(t *testing.T) {
	tests := []struct {
		name, payload string
		want          Error
		ok            bool
	}{
		{"request echoed before", `<q xmlns='urn:x'><error/></q><error type='wait'><resource-constraint ` + conditionNS + `/></error>`,
			Error{Type: Wait, Condition: ResourceConstraint}, true},
		{"request echoed behind", `<error type='cancel'><gone ` + conditionNS + `>xmpp:a@b</gone></error><q xmlns='urn:x'/>`,
			Error{Type: Cancel, Condition: Gone}, true},
		{"application condition", `<error type='modify'><bad-request ` + conditionNS + `/><conflict xmlns='urn:x'/></error>`,
			Error{Type: Modify, Condition: BadRequest}, true},
		{"text before the condition", `<error type='auth'><text ` + conditionNS + ` xml:lang='en'>no</text><forbidden ` + conditionNS + `/></error>`,
			Error{Type: Auth, Condition: Forbidden, Text: "no"}, true},
		{"unknown condition", `<error type='modify'><too-blue ` + conditionNS + `/></error>`, Error{Type: Modify, Condition: UndefinedCondition}, true},
		{"unknown type", `<error type='x'><gone ` + conditionNS + `/></error>`, Error{Type: Cancel, Condition: Gone}, true},
		{"no condition", `<error/>`, Error{Type: Cancel, Condition: UndefinedCondition}, true},
		{"condition nested too deep", `<error><x xmlns='urn:x'><gone ` + conditionNS + `/></x></error>`, Error{Type: Cancel, Condition: UndefinedCondition}, true},
		{"endless text", `<error><text ` + conditionNS + `>` + strings.Repeat("a", 1025) + `</text></error>`, Error{Type: Cancel, Condition: UndefinedCondition}, true},
		{"nothing", ``, Error{Type: Cancel, Condition: UndefinedCondition}, false},
		{"other payload", `<q xmlns='urn:x'/>`, Error{Type: Cancel, Condition: UndefinedCondition}, false},
		{"error of another namespace", `<error xmlns='urn:x'><gone ` + conditionNS + `/></error>`, Error{Type: Cancel, Condition: UndefinedCondition}, false},
		{"cut off", `<error type='cancel'><gone ` + conditionNS + `/>`, Error{Type: Cancel, Condition: UndefinedCondition}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseError([]byte(tt.payload))
			if (err == nil) != tt.ok || !cmp.Equal(&tt.want, got) {
				t.Errorf("ParseError(%.200s) = %+v, %v, want %+v, ok %v", tt.payload, got, err, tt.want, tt.ok)
			}
		})
	}
}

func TestErrorIsByCondition(t *testing.T) {
	err := fmt.Errorf("asking: %w", NewError(ItemNotFound, "gone for lunch"))
	if !errors.Is(err, &Error{Condition: ItemNotFound}) || errors.Is(err, &Error{Condition: Gone}) {
		t.Errorf("errors.Is does not go by the condition of %v", err)
	}
	if got, want := err.Error(), "asking: xmpp: item-not-found: gone for lunch"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}

func FuzzParseError(f *testing.F) {
	f.Add(string(AppendError(nil, NewError(ItemNotFound, "x"))))
	f.Add(`<q xmlns='urn:x'/><error type='wait'><gone ` + conditionNS + `>a</gone></error>`)
	f.Fuzz(func(t *testing.T, in string) {
		e, err := ParseError([]byte(in))
		if e == nil {
			t.Fatalf("ParseError(%q) = nil, %v", in, err)
		}
		again, err := ParseError(AppendError(nil, e))
		if err != nil || !cmp.Equal(e, again) {
			t.Fatalf("%+v became %+v, %v", e, again, err)
		}
	})
}
