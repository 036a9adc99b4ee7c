package mms

import (
	"encoding/binary"
	"encoding/xml"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tshark has MMS of its own: what it makes of our octets has the names that they have in XER, tag for tag.
func TestTsharkKnowsOurBER(t *testing.T) {
	tshark := judge(t, "tshark", "tshark")
	vectors := valid(t)
	cases := someBER(t) // which begins with the vectors
	frames := dissect(t, tshark, cases)
	for i, frame := range frames {
		for line := range strings.Lines(frame) {
			if slices.ContainsFunc(beyondTshark, func(s string) bool { return strings.Contains(line, s) }) {
				continue
			}
			for _, complaint := range []string{"Malformed", "BER Error", "Expert Info (Error", "Expert Info (Warning"} {
				if strings.Contains(line, complaint) {
					t.Errorf("%s: %s\nof %x\nwhich is to tshark %s", cases[i].what, strings.TrimSpace(line), cases[i].ber, frame)
				}
			}
		}
	}
	for i, v := range vectors {
		known := strings.FieldsFunc(frames[i], func(r rune) bool { return strings.ContainsRune(" \t\n:,", r) })
		for _, name := range namesOf(t, v["xer"]) {
			theirs, other := namesInTshark[name]
			if !slices.Contains(known, name) && (!other || theirs != "" && !slices.Contains(known, theirs)) {
				t.Errorf("%s: tshark does not find %q in %s\nit finds %s", v["what"], name, v["ber"], frames[i])
			}
		}
	}
}

// beyondTshark are complaints about a NUL, about bits of later editions and about object identifiers of large numbers.
var beyondTshark = []string{"Trailing stray characters", "Unknown bit(s)", "Malformed OID"}

// namesInTshark are the names in XER that tshark 4 calls otherwise, or not at all.
var namesInTshark = map[string]string{
	// IEC 61850-8-2, R2 and R4: types stand for components.
	"ConfirmedServiceRequest": "confirmedServiceRequest", "ConfirmedServiceResponse": "confirmedServiceResponse",
	"UnconfirmedService": "unconfirmedService", "SEQUENCE": "", "CHOICE": "", "GraphicString": "FileName", "VisibleString": "",
	"OBJECT_IDENTIFIER": "", "nul": "", "soh": "", "is1": "",
	// Its source has other spellings.
	"negotiatedMaxServOutstandingCalling": "negociatedMaxServOutstandingCalling", "negotiatedMaxServOutstandingCalled": "negociatedMaxServOutstandingCalled",
	"negotiatedDataStructureNestingLevel": "negociatedDataStructureNestingLevel", "negotiatedVersionNumber": "negociatedVersionNumber",
	"negotiatedParameterCBB": "negociatedParameterCBB", "fileName": "filename", "namedVariable": "nammedVariable", "access": "accesst",
	"limited-services-permitted": "limited-services-allowed", "ae-qualifier-form2": "aso-qualifier-form2",
	"variableAccessSpecification": "", "numberOfElements": "",
	// It does not know types and bits of later editions, or shows them in other words.
	"generalized-time": "", "format-width": "", "exponent-width": "", "floating-point": "", "booleanArray": "", "mMSString": "", "utc-time": "",
	"aco": "", "char": "", "getDataExchangeAttributes": "", "reconfigureProgramInvocation": "", "extendedGetNameList": "",
}

// namesOf lists the names of elements.
func namesOf(t *testing.T, xer string) (names []string) {
	d := xml.NewDecoder(strings.NewReader(xer))
	for {
		switch token, err := d.Token(); {
		case err == io.EOF:
			return names
		case err != nil:
			t.Fatal(err)
		default:
			if start, ok := token.(xml.StartElement); ok {
				names = append(names, start.Name.Local)
			}
		}
	}
}

// dissect has tshark read all cases, each as a packet of a link that carries MMS and nothing else.
func dissect(t *testing.T, tshark string, cases []judged) []string {
	const user0 = 147
	var file []byte
	for _, n := range []uint32{0xa1b2c3d4, 2 | 4<<16, 0, 0, 1 << 18, user0} {
		file = binary.LittleEndian.AppendUint32(file, n)
	}
	for _, c := range cases {
		n := uint32(len(c.ber))
		for _, n := range []uint32{0, 0, n, n} {
			file = binary.LittleEndian.AppendUint32(file, n)
		}
		file = append(file, c.ber...)
	}
	dir := t.TempDir()
	name := filepath.Join(dir, "pdus.pcap")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(tshark, "-n", "-O", "mms", "-o", `uat:user_dlts:"User 0 (DLT=147)","mms","0","","0",""`, "-r", name)
	cmd.Env = append(os.Environ(), "HOME="+dir, "LC_ALL=C.UTF-8")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v\n%s", err, stderr.String())
	}
	frames := strings.Split(string(out), "\nDLT: ")[1:]
	if len(frames) != len(cases) {
		t.Fatalf("tshark tells of %d PDUs, want %d", len(frames), len(cases))
	}
	return frames
}
