package acsi

import (
	"encoding/binary"
	"strings"
	"time"

	"busbar.example/value"
)

// OptFlds says what a report tells beside its values. Bit i of the bit string is 1<<i; bit 0 is reserved.
//
// IEC 61850-7-2, 17.2.3.2.8.
type OptFlds uint16

// The optional fields.
const (
	OptSeqNum OptFlds = 1 << (iota + 1)
	OptTimeStamp
	OptReason
	OptDataSet
	OptDataRef
	OptBufOvfl
	OptEntryID
	OptConfRev
	OptSegmentation
)

// OptFldsBits is the length of the bit string that OptFlds travel as.
const OptFldsBits = 10

var optFldNames = []string{"", "sequence-number", "report-time-stamp", "reason-for-inclusion", "data-set-name",
	"data-reference", "buffer-overflow", "entryID", "conf-revision", "segmentation"}

// TrgOps says what makes a control block report or log. Bit i of the bit string is 1<<i; bit 0 is reserved.
//
// IEC 61850-7-2, Table "TriggerConditions".
type TrgOps uint8

// The trigger conditions.
const (
	TrgDataChange TrgOps = 1 << (iota + 1)
	TrgQualityChange
	TrgDataUpdate
	TrgIntegrity
	TrgGeneralInterrogation
)

// TrgOpsBits is the length of the bit string that TrgOps travel as.
const TrgOpsBits = 6

var trgOpNames = []string{"", "dchg", "qchg", "dupd", "integrity", "gi"}

// Reason says why a value is in a report or log entry. Bit i of the bit string is 1<<i; bit 0 is reserved. The first five are as
// in TrgOps.
//
// IEC 61850-7-2, ReasonForInclusion.
type Reason uint8

// The reasons.
const (
	ReasonDataChange Reason = 1 << (iota + 1)
	ReasonQualityChange
	ReasonDataUpdate
	ReasonIntegrity
	ReasonGeneralInterrogation
	ReasonApplicationTrigger
)

// ReasonBits is the length of the bit string that a Reason travels as.
const ReasonBits = 7

var reasonNames = []string{"", "dchg", "qchg", "dupd", "integrity", "gi", "application"}

// String lists the fields by their names, separated by commas.
func (o OptFlds) String() string { return bitNames(uint16(o), optFldNames) }

// String lists the conditions by their short names, separated by commas.
func (t TrgOps) String() string { return bitNames(uint16(t), trgOpNames) }

// String lists the reasons by their short names, separated by commas.
func (r Reason) String() string { return bitNames(uint16(r), reasonNames) }

// Value is o as the bit string that travels.
func (o OptFlds) Value() value.Value { return packedBits(uint16(o), OptFldsBits) }

// Value is t as the bit string that travels.
func (t TrgOps) Value() value.Value { return packedBits(uint16(t), TrgOpsBits) }

// Value is r as the bit string that travels.
func (r Reason) Value() value.Value { return packedBits(uint16(r), ReasonBits) }

// OptFldsOf reads a bit string; bits that it lacks are not set. ok is false for any other value.
func OptFldsOf(v value.Value) (o OptFlds, ok bool) {
	bits, ok := unpackedBits(v, OptFldsBits)
	return OptFlds(bits), ok
}

// TrgOpsOf reads a bit string; bits that it lacks are not set. ok is false for any other value.
func TrgOpsOf(v value.Value) (t TrgOps, ok bool) {
	bits, ok := unpackedBits(v, TrgOpsBits)
	return TrgOps(bits), ok
}

// ReasonOf reads a bit string; bits that it lacks are not set. ok is false for any other value.
func ReasonOf(v value.Value) (r Reason, ok bool) {
	bits, ok := unpackedBits(v, ReasonBits)
	return Reason(bits), ok
}

func bitNames(bits uint16, names []string) string {
	var set []string
	for i, name := range names {
		if name != "" && bits>>i&1 != 0 {
			set = append(set, name)
		}
	}
	return strings.Join(set, ",")
}

func packedBits(bits uint16, n int) value.Value {
	var packed [2]byte
	for i := range n {
		if bits>>i&1 != 0 {
			packed[i/8] |= 0x80 >> (i % 8)
		}
	}
	return value.Bits(n, packed[:(n+7)/8])
}

func unpackedBits(v value.Value, n int) (bits uint16, ok bool) {
	if v.Kind() != value.BitString {
		return 0, false
	}
	for i := range min(n, v.BitLen()) {
		if v.Bit(i) {
			bits |= 1 << i
		}
	}
	return bits, true
}

// EntryID names an entry of a report buffer or log, in the order of the entries. The zero EntryID names none.
//
// IEC 61850-8-1: an octet string of eight octets.
type EntryID [8]byte

// EntryNumber is the EntryID of the entry number n, most significant octet first.
func EntryNumber(n uint64) (id EntryID) {
	binary.BigEndian.PutUint64(id[:], n)
	return id
}

// Number is the number of the entry where EntryNumber made id.
func (id EntryID) Number() uint64 { return binary.BigEndian.Uint64(id[:]) }

// Report is what a report control block tells of the members of its data set.
//
// IEC 61850-7-2, 17.2.3.2, Report.
type Report struct {
	RptID    string
	OptFlds  OptFlds // which of the optional fields are given
	SeqNum   uint16
	Time     time.Time // of the entry, to a millisecond
	DataSet  string    // as it travels: LD/LN$Name, or @Name
	BufOvfl  bool      // entries were lost before this one
	EntryID  EntryID
	ConfRev  uint32
	SubSeq   uint16        // of a segment; 0 where the report is whole
	More     bool          // segments of this report follow
	SetSize  int           // members that the data set has
	Included []ReportEntry // in the order of the data set; at most SetSize
}

// ReportEntry is one member of the data set in a report.
type ReportEntry struct {
	Member int    // which, from 0
	Ref    string // as it travels, LD/LN$FC$DO; "" where the report does not tell
	Value  value.Value
	Reason Reason // 0 where the report does not tell
}
