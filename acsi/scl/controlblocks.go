package scl

import (
	"cmp"
	"encoding/xml"

	"busbar.example/acsi"
)

// controlBlock is a ReportControl, LogControl, GSEControl or SampledValueControl as it is written.
type controlBlock struct {
	element          string
	name, datSet, id string // id is rptID, appID or smvID
	confRev          string
	line             int

	report struct {
		buffered, indexed bool
		max               string // of RptEnabled
		clients           []clientLN
		bufTime           string
	}
	log struct {
		ldInst, ln, name string // of the log
		enabled, reason  bool
	}
	period  string // intgPd, of reports and logs
	trgOps  acsi.TrgOps
	optFlds acsi.OptFlds
	stream  *stream // of GOOSE and sampled values
}

// clientLN is for whom an instance is reserved.
type clientLN struct {
	ied, ap string
	line    int
}

// stream is what only GOOSE and sampled value control blocks have.
type stream struct {
	gsse, unicast, fixedOffs bool
	rate, mode, asdus        string
	options                  byte // bit 0 is the highest
}

func (b *controlBlock) String() string { return element(b.element, "name", b.name) }

// readControlBlock reads what the attributes say, and takes the defaults of the schema for what they do not.
func readControlBlock(rd *reader, e xml.StartElement, ln *lNode) error {
	b := &controlBlock{element: e.Name.Local, name: rd.attr(e, "name"), datSet: rd.attr(e, "datSet"), confRev: rd.attr(e, "confRev"),
		period: rd.attr(e, "intgPd"), trgOps: acsi.TrgGeneralInterrogation, line: rd.at}
	switch b.element {
	case "ReportControl":
		b.id, b.report.bufTime = rd.attr(e, "rptID"), rd.attr(e, "bufTime")
		b.report.buffered, b.report.indexed = rd.flag(e, "buffered", false), rd.flag(e, "indexed", true)
	case "LogControl":
		b.log.ldInst, b.log.name = rd.attr(e, "ldInst"), rd.attr(e, "logName")
		b.log.ln = rd.attr(e, "prefix") + cmp.Or(rd.attr(e, "lnClass"), "LLN0") + rd.attr(e, "lnInst")
		b.log.enabled, b.log.reason = rd.flag(e, "logEna", true), rd.flag(e, "reasonCode", true)
	case "GSEControl":
		b.id = rd.attr(e, "appID")
		b.stream = &stream{gsse: rd.attr(e, "type") == "GSSE", fixedOffs: rd.flag(e, "fixedOffs", false)}
	case "SampledValueControl":
		b.id = rd.attr(e, "smvID")
		b.stream = &stream{unicast: !rd.flag(e, "multicast", true), rate: rd.attr(e, "smpRate"), mode: rd.attr(e, "smpMod"),
			asdus: rd.attr(e, "nofASDU")}
	}
	ln.blocks = append(ln.blocks, b)
	return rd.children(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "TrgOps":
			b.trgOps = acsi.TrgOps(rd.flags(e, triggers[:]))
			if rd.flag(e, "gi", true) {
				b.trgOps |= acsi.TrgGeneralInterrogation
			}
		case "OptFields":
			b.optFlds = acsi.OptFlds(rd.flags(e, optFields[:]))
			if b.report.buffered && rd.flag(e, "bufOvfl", true) {
				b.optFlds |= acsi.OptBufOvfl
			}
		case "SmvOpts":
			if b.stream != nil {
				b.stream.options = byte(rd.flags(e, smvOpts[:]))
			}
		case "RptEnabled":
			b.report.max = rd.attr(e, "max")
			return readRptEnabled(rd, b)
		}
		return rd.skip()
	})
}

func readRptEnabled(rd *reader, b *controlBlock) error {
	return rd.children(func(e xml.StartElement) error {
		if e.Name.Local == "ClientLN" {
			b.report.clients = append(b.report.clients, clientLN{ied: rd.attr(e, "iedName"), ap: rd.attr(e, "apRef"), line: rd.at})
		}
		return rd.skip()
	})
}

// option is an attribute that stands for a bit.
type option struct {
	name string
	bit  uint16
}

var triggers = [...]option{{"dchg", uint16(acsi.TrgDataChange)}, {"qchg", uint16(acsi.TrgQualityChange)},
	{"dupd", uint16(acsi.TrgDataUpdate)}, {"period", uint16(acsi.TrgIntegrity)}}

var optFields = [...]option{{"seqNum", uint16(acsi.OptSeqNum)}, {"timeStamp", uint16(acsi.OptTimeStamp)},
	{"reasonCode", uint16(acsi.OptReason)}, {"dataSet", uint16(acsi.OptDataSet)}, {"dataRef", uint16(acsi.OptDataRef)},
	{"bufOvfl", uint16(acsi.OptBufOvfl)}, {"entryID", uint16(acsi.OptEntryID)}, {"configRef", uint16(acsi.OptConfRev)}}

var smvOpts = [...]option{{"refreshTime", 0x80}, {"sampleSynchronized", 0x40}, {"sampleRate", 0x20}, {"dataSet", 0x10},
	{"security", 0x08}, {"timestamp", 0x04}, {"synchSourceId", 0x02}}

// flags are the bits of the attributes of e that are true.
func (r *reader) flags(e xml.StartElement, options []option) uint16 {
	var bits uint16
	for _, o := range options {
		if r.flag(e, o.name, false) {
			bits |= o.bit
		}
	}
	return bits
}

// flag is the attribute called local, or otherwise where there is none.
func (r *reader) flag(e xml.StartElement, local string, otherwise bool) bool {
	if text := r.attr(e, local); text != "" {
		return isTrue(text)
	}
	return otherwise
}

func isTrue(text string) bool { return text == "true" || text == "1" }
