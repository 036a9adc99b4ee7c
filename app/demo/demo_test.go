package demo_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"busbar.example/app/demo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inOwnTemp runs f with a folder for temporary files that must be empty afterwards.
func inOwnTemp(t *testing.T, f func()) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	f()
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("the demo leaves %v behind", left)
	}
}

func TestTheTourShowsWhatProtectsAReadAndWhatIsRefused(t *testing.T) {
	var out, errs bytes.Buffer
	inOwnTemp(t, func() {
		if err := demo.Run(t.Context(), &out, &errs, demo.Options{Once: true}); err != nil {
			t.Fatalf("%v\n%s%s", err, out.String(), errs.String())
		}
	})
	for what, pattern := range map[string]string{
		"the site":                    `Site +\S+/site, domain demo\.example\n`,
		"two roots":                   `Roots +E2M root CA, until \S+\n +E2E root CA, until \S+\n`,
		"the broker":                  `Broker +127\.0\.0\.1:\d+\n`,
		"the IEDs":                    `IEDs +pv1@demo\.example/IEC +PV1 .*\n +bat1@demo\.example/IEC +BAT1 .*\n +fdr1@demo\.example/IEC +FDR1 .*\n`,
		"the client and its roles":    `Client +ems@demo\.example/IEC-[0-9a-f]{8}, ENGINEER and OPERATOR\n`,
		"TLS and SASL":                `E2M +TLS 1\.3, TLS_AES_(128|256)_GCM_SHA(256|384), SASL EXTERNAL\n`,
		"both certificates of TLS":    `the broker is +demo\.example +of E2M issuing CA, until \S+\n +the client is +ems@demo\.example +of E2M issuing CA, until \S+\n`,
		"E2E":                         `E2E +ecdsa-with-SHA256, secp256r1 .*AES-256-GCM.*, association \d{1,3}:\d{1,3}\n`,
		"both certificates of E2E":    `the IED is +pv1@demo\.example +of E2E issuing CA, until \S+\n +the client is +ems@demo\.example +of E2E issuing CA, until \S+\n`,
		"the power":                   `PV1LD0/MMXU1\.TotW\.mag\.f\[MX\] +-?[0-9.]+ kW +good +\d\d:\d\d:\d\d\.\d{3}( clockNotSynchronized)?\n`,
		"the frequency":               `PV1LD0/MMXU1\.Hz\.mag\.f\[MX\] +(49|50)[0-9.]* Hz +good`,
		"the state of charge":         `BAT1LD0/DSTO1\.EffWhPct\.mag\.f\[MX\] +[0-9.]+ +good`,
		"the breaker":                 `FDR1LD0/XCBR1\.Pos\.stVal\[ST\] +on +good`,
		"a write, and its read-back":  `(?s)WMax\.setMag\.f\[SP\] +100 kW\n.*Write +to pv1 as ems: PV1LD0/DGEN1\.WMax\.setMag\.f\[SP\]=80, done\n.*WMax\.setMag\.f\[SP\] +80 kW\n`,
		"a control block":             `Reports +from fdr1 as ems: \d+ members of FDR1LD0/LLN0\$Switching by FDR1LD0/LLN0\.brcbSwitching01\n`,
		"a command and its steps":     `Operate +fdr1 as ems: FDR1LD0/CSWI1\.Pos off, sbo-with-enhanced-security\n +select \(.*\), operate \(.*\), terminated \(.*\)\n`,
		"what is reported of it":      `(?s)CSWI1\.Pos off, .*FDR1LD0/XCBR1\.Pos\.stVal\[ST\] +off +good +dchg\n.*CSWI1\.Pos on, .*FDR1LD0/XCBR1\.Pos\.stVal\[ST\] +on +good +dchg\n`,
		"a refusal by role":           `Refused +to pv1 as guest, VIEWER: PV1LD0/DGEN1\.WMax\.setMag\.f\[SP\]=0, object-access-denied\n`,
		"a broker that reads nothing": `Broker +routed \d+ stanzas with \d+ octets of payload; none of the names above is in them in clear\n`,
	} {
		if !regexp.MustCompile(pattern).MatchString(out.String()) {
			t.Errorf("%s is not shown, want %s in:\n%s", what, pattern, out.String())
		}
	}
	if errs.Len() > 0 {
		t.Errorf("complaints: %s", errs.String())
	}
}

// upTo runs the demo until it has printed text, and gives what it printed and its error.
func upTo(t *testing.T, text string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- demo.Run(ctx, w, io.Discard, demo.Options{})
		w.Close()
	}()
	var out bytes.Buffer
	for part := make([]byte, 4096); ; {
		n, err := r.Read(part)
		out.Write(part[:n])
		if strings.Contains(out.String(), text) {
			cancel()
		}
		if err != nil {
			return out.String(), <-ended
		}
	}
}

func TestTheDemoStaysUpUntilItIsInterrupted(t *testing.T) {
	inOwnTemp(t, func() {
		out, err := upTo(t, "cat audit/ied.jsonl\n")
		if err != nil {
			t.Errorf("interrupted, it ends with %v", err)
		}
		site := regexp.MustCompile(`Site +(\S+),`).FindStringSubmatch(out)
		if site == nil || !strings.Contains(out, "cd "+site[1]+"\n") {
			t.Errorf("it does not say how to try it:\n%s", out)
		}
		if _, err := os.Stat(filepath.Dir(site[1])); !os.IsNotExist(err) {
			t.Errorf("%s is left behind: %v", site[1], err)
		}
	})
}

func TestTheDemoCanBeInterruptedAtEveryStep(t *testing.T) {
	for _, step := range []string{"Site ", "Broker ", "IEDs ", "E2M ", "Read ", "Write ", "Reports ", "Operate ", "Refused "} {
		t.Run(step, func(t *testing.T) {
			inOwnTemp(t, func() {
				if _, err := upTo(t, step); err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("interrupted, it ends with %v", err)
				}
			})
		})
	}
}

func TestTheIEDsOfTheDemoPassTheSelfTest(t *testing.T) {
	var out, errs bytes.Buffer
	inOwnTemp(t, func() {
		if err := demo.Run(t.Context(), &out, &errs, demo.Options{Once: true, SelfTest: true}); err != nil {
			t.Errorf("%v\n%s%s", err, out.String(), errs.String())
		}
	})
	if n := strings.Count(out.String(), " passed, 0 failed, "); n != 3 {
		t.Errorf("%d IEDs pass, want 3:\n%s", n, out.String())
	}
}

func TestTheSameIEDIsReadOverBothMappings(t *testing.T) {
	var out, errs bytes.Buffer
	inOwnTemp(t, func() {
		if err := demo.Run(t.Context(), &out, &errs, demo.Options{Once: true, MMS: true}); err != nil {
			t.Fatalf("%v\n%s%s", err, out.String(), errs.String())
		}
	})
	for what, pattern := range map[string]string{
		"where MMS is served": `MMS +pv1 over TCP with TLS at 127\.0\.0\.1:\d+: IEC 61850-8-1, the same IED\n`,
		"who made the IED":    ` +it is Busbar PVI-100, revision 1\.0, state-changes-allowed, operational\n`,
		"both ways":           `Both ways +from pv1 as ems: over XMPP and over TCP, 5 references, all equal\nPV1LD0/LPHD1\.PhyNam\.model\[DC\] +PVI-100\n`,
		"a structure":         `PV1LD0/MMXU1\.TotW\.units\.SIUnit\[CF\] +`,
	} {
		if !regexp.MustCompile(pattern).MatchString(out.String()) {
			t.Errorf("%s is not shown, want %s in:\n%s", what, pattern, out.String())
		}
	}
	if errs.Len() > 0 {
		t.Errorf("complaints: %s", errs.String())
	}
}

func TestTwoDomains(t *testing.T) {
	var out, errs bytes.Buffer
	inOwnTemp(t, func() {
		if err := demo.Run(t.Context(), &out, &errs, demo.Options{Once: true, Federated: true}); err != nil {
			t.Fatalf("%v\n%s%s", err, out.String(), errs.String())
		}
	})
	for what, pattern := range map[string]string{
		"two brokers":       `Broker +127\.0\.0\.1:\d+ of demo\.example\n +127\.0\.0\.1:\d+ of utility\.example\n`,
		"how they meet":     `Federated +utility\.example has a site, .*\n +brokers +demo\.example at 127\.0\.0\.1:\d+, utility\.example at 127\.0\.0\.1:\d+`,
		"a foreign client":  `Client +ems@utility\.example/IEC-[0-9a-f]{8}, whose authority makes it ENGINEER and OPERATOR\n`,
		"both certificates": `the IED is +pv1@demo\.example .*\n +the client is +ems@utility\.example `,
		"what it reads":     `(?s)Read +from pv1@demo\.example as ems\n.*WMax\.setMag\.f\[SP\] +80 kW\n`,
		"what it may not":   `Refused +to pv1@demo\.example as ems@utility\.example, OPERATOR of whose roles counts: .*object-access-denied\n`,
	} {
		if !regexp.MustCompile(pattern).MatchString(out.String()) {
			t.Errorf("%s: nothing matches %s in\n%s", what, pattern, out.String())
		}
	}
	if errs.Len() > 0 {
		t.Errorf("standard error:\n%s", errs.String())
	}
}
