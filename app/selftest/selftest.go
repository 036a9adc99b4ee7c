// Package selftest tries the services that an IED offers, one conformance case after the other, and says of each whether the IED passes.
// It leaves what it changes as it was.
package selftest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
)

// Outcome is how a case has ended.
type Outcome string

// The outcomes.
const (
	Pass Outcome = "PASS"
	Fail Outcome = "FAIL"
	Skip Outcome = "SKIP" // it cannot be tried on this IED, or was not to be; Detail says why
)

// Result is one case and its outcome.
type Result struct {
	Case    string        `json:"case"` // its id in the published test lists
	Title   string        `json:"title"`
	Outcome Outcome       `json:"outcome"`
	Detail  string        `json:"detail,omitempty"` // what was tried, or why it fails or is skipped
	Took    time.Duration `json:"-"`
}

// String is r for a person: the outcome, the case and what it is about, and what was tried or why it was not.
func (r Result) String() string {
	line := fmt.Sprintf("%s  %-8s %s", r.Outcome, r.Case, r.Title)
	if r.Detail != "" {
		line += ": " + r.Detail
	}
	return line
}

// Config says what is tried. It is copied on entry.
type Config struct {
	Associate func(context.Context) (acsi.Services, error) // another association with the IED; nil: cases that take one are skipped
	Write     bool                                         // make and delete data sets and files; write settings and descriptions back as they are
	Operate   bool                                         // operate what can be operated, and bring it back where it was
	Timeout   time.Duration                                // for one case; 0: 20 s
}

// skipped is why a case is not tried.
type skipped struct{ why string }

func (s *skipped) Error() string { return s.why }

func skip(format string, args ...any) error { return &skipped{fmt.Sprintf(format, args...)} }

// test is one case: do gives what it has tried, in words.
type test struct {
	id, title string
	do        func(*run, context.Context) (string, error)
}

// run is one self-test under way.
type run struct {
	cfg      Config
	services acsi.Services
	client   *client.Client
	model    *survey
}

// Run tries every case on an association, in their order, until ctx ends.
func Run(ctx context.Context, services acsi.Services, cfg Config) iter.Seq[Result] {
	if cfg.Timeout <= 0 {
		cfg.Timeout = 20 * time.Second
	}
	return func(yield func(Result) bool) {
		r := &run{cfg: cfg, services: services, client: client.New(services)}
		for _, t := range cases() {
			if ctx.Err() != nil || !yield(r.try(ctx, t)) {
				return
			}
		}
	}
}

// cases are all of them. The first two find out what there is.
func cases() []test {
	var all []test
	for _, group := range [][]test{serverCases, dataSetCases, reportCases, controlCases, settingCases, logCases, fileCases, associationCases} {
		all = append(all, group...)
	}
	return all
}

func (r *run) try(ctx context.Context, t test) Result {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	began := time.Now()
	detail, err := "", error(nil)
	if r.model == nil && t.id != serverCases[0].id || r.model != nil && len(r.model.lns) == 0 && t.id != serverCases[1].id {
		err = skip("nothing is known of the IED: see %s and %s", serverCases[0].id, serverCases[1].id)
	} else {
		detail, err = t.do(r, ctx)
	}
	result := Result{Case: t.id, Title: t.title, Outcome: Pass, Detail: detail, Took: time.Since(began)}
	var left *skipped
	switch {
	case errors.As(err, &left):
		result.Outcome, result.Detail = Skip, left.why
	case err != nil:
		result.Outcome, result.Detail = Fail, err.Error()
	}
	return result
}

// refused makes sure that err is the IED's refusal, and not success or the end of the association.
func refused(what string, err error) (string, error) {
	var no *acsi.Error
	switch {
	case err == nil:
		return "", fmt.Errorf("%s is not refused", what)
	case !errors.As(err, &no):
		return "", fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Sprintf("%s: %s", what, no.Code), nil
}

// all is the refusals of several tries.
func all(tries ...func() (string, error)) (string, error) {
	said := ""
	for i, try := range tries {
		words, err := try()
		if err != nil {
			return "", err
		}
		if i > 0 {
			said += "; "
		}
		said += words
	}
	return said, nil
}
