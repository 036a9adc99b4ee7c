package pipe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"busbar.example/acsi"
)

// What the IED says, a line each. Fields that do not apply are left out.
type (
	helloLine struct {
		Type     string        `json:"type"` // hello
		Version  int           `json:"version"`
		IED      string        `json:"ied"`
		LDs      []deviceLine  `json:"lds"`
		Controls []controlLine `json:"controls"`
	}
	deviceLine struct {
		Name string     `json:"name"`
		LNs  []nodeLine `json:"lns"`
	}
	nodeLine struct {
		Name  string            `json:"name"`
		Class string            `json:"class,omitempty"`
		DOs   map[string]string `json:"dos"` // the common data class of each
	}
	controlLine struct {
		Ref string `json:"ref"`
		CDC string `json:"cdc,omitempty"`
	}
	valueLine struct {
		Type  string          `json:"type"` // write, or value: the answer to get
		Ref   string          `json:"ref"`
		FC    string          `json:"fc"`
		Value json.RawMessage `json:"value"`
	}
	commandLine struct {
		Type      string          `json:"type"`         // command
		ID        uint64          `json:"id,omitempty"` // of the answer; none is awaited where there is none
		Phase     string          `json:"phase"`
		Ref       string          `json:"ref"`
		CDC       string          `json:"cdc,omitempty"`
		Value     json.RawMessage `json:"value,omitempty"`
		Test      bool            `json:"test"`
		Interlock bool            `json:"interlock"`
		Synchro   bool            `json:"synchro"`
		Origin    originLine      `json:"origin"`
		CtlNum    uint8           `json:"ctlNum"`
		Peer      string          `json:"peer,omitempty"`
		Time      string          `json:"time,omitempty"` // at which the peer says that it gave the command
		At        string          `json:"at,omitempty"`   // at which it is to be carried out
		Pulse     *pulseLine      `json:"pulse,omitempty"`
	}
	originLine struct {
		Category string `json:"category"`
		Identity string `json:"identity,omitempty"` // hex
	}
	pulseLine struct {
		On    float64 `json:"on"`  // seconds
		Off   float64 `json:"off"` // seconds
		Times uint32  `json:"times"`
	}
	overLine struct {
		Type string `json:"type"` // over: nobody waits for this answer any more
		ID   uint64 `json:"id"`
	}
	errorLine struct {
		Type string `json:"type"` // error
		Line int    `json:"line"` // of the program's output, from 1
		Text string `json:"text"`
	}
)

// What the program says: one of a value, several of them, an answer to a command, or a question for a value.
type (
	said struct {
		entry
		Values   []entry `json:"values"`
		ID       *uint64 `json:"id"`
		AddCause *string `json:"addCause"`
		Get      *string `json:"get"`
	}
	entry struct {
		Ref     *string         `json:"ref"`
		FC      string          `json:"fc"`
		Value   json.RawMessage `json:"value"`
		Quality *acsi.Quality   `json:"quality"` // none: good
		Time    string          `json:"time"`    // RFC 3339; none: now
	}
)

// parseLine reads what the program said in a line. Unknown fields, several objects and mixtures are refused.
func parseLine(line []byte) (said, error) {
	var s said
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return s, fmt.Errorf("a line is a JSON object: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := dec.Token(); err != io.EOF {
		return s, errors.New("a line is one JSON object, and something follows it")
	}
	forms := 0
	for _, has := range []bool{s.Ref != nil, s.Values != nil, s.ID != nil, s.Get != nil} {
		if has {
			forms++
		}
	}
	rest := s.Value != nil || s.Quality != nil || s.Time != ""
	switch {
	case forms != 1:
		return s, errors.New(`write one of {"ref":…,"value":…}, {"values":[…]}, {"id":…,"addCause":…} or {"get":…}`)
	case s.Ref == nil && rest, s.FC != "" && s.Ref == nil && s.Get == nil, (s.ID == nil) != (s.AddCause == nil):
		return s, errors.New("these fields do not go together: see docs/process.md")
	}
	return s, nil
}
