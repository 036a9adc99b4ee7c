package mms

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"busbar.example/value"
)

// readRequest asks for one attribute.
func readRequest(domain, item string) *ConfirmedRequest {
	name := VariableName{DomainSpecific{domain, item}}
	return &ConfirmedRequest{InvokeID: 17, Service: &ReadRequest{
		VariableAccessSpecification: ListOfVariable{{VariableSpecification: name}},
	}}
}

// readResponse has values.
func readResponse(values ...value.Value) *ConfirmedResponse {
	r := &ReadResponse{ListOfAccessResult: []AccessResult{}}
	for _, v := range values {
		r.ListOfAccessResult = append(r.ListOfAccessResult, &Success{v})
	}
	return &ConfirmedResponse{InvokeID: 17, Service: r}
}

// IEC 61850-8-2: the example whose shape is certain.
func TestReadHasTheFormOfTheMapping(t *testing.T) {
	cases := map[string]struct {
		pdu      PDU
		ber, xer string
	}{
		"request": {
			readRequest("PV1LD0", "MMXU1$MX$TotW"),
			"a026020111a421a11fa01d301ba019a1171a065056314c44301a0d4d4d585531244d5824546f7457",
			"<confirmed-RequestPDU xmlns='http://www.iec.ch/61850/2018/SCSM_8_2'><invokeID>17</invokeID><ConfirmedServiceRequest><read specificationWithResult='false'><variableAccessSpecification><listOfVariable><SEQUENCE><variableSpecification><name><domain-specific><domainId>PV1LD0</domainId><itemId>MMXU1$MX$TotW</itemId></domain-specific></name></variableSpecification></SEQUENCE></listOfVariable></variableAccessSpecification></read></ConfirmedServiceRequest></confirmed-RequestPDU>",
		},
		"response": {
			readResponse(value.StructureOf(value.Int(5))),
			"a10c020111a407a105a203850105",
			"<confirmed-ResponsePDU xmlns='http://www.iec.ch/61850/2018/SCSM_8_2'><invokeID>17</invokeID><ConfirmedServiceResponse><read><listOfAccessResult><AccessResult><success><structure><Data><integer>5</integer></Data></structure></success></AccessResult></listOfAccessResult></read></ConfirmedServiceResponse></confirmed-ResponsePDU>",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			x, err := AppendXER(nil, c.pdu)
			if err != nil || string(x) != c.xer {
				t.Errorf("XER: got\n%s\n%v, want\n%s", x, err, c.xer)
			}
			b, err := AppendBER(nil, c.pdu)
			if err != nil || hex.EncodeToString(b) != c.ber {
				t.Errorf("BER: got %x, %v, want %s", b, err, c.ber)
			}
			if p, err := DecodeXER(x, Limits{}); err != nil || !reflect.DeepEqual(p, c.pdu) {
				t.Errorf("from XER: got %+v, %v, want %+v", p, err, c.pdu)
			}
			if p, err := DecodeBER(b, Limits{}); err != nil || !reflect.DeepEqual(p, c.pdu) {
				t.Errorf("from BER: got %+v, %v, want %+v", p, err, c.pdu)
			}
		})
	}
}

func TestServicesAreASet(t *testing.T) {
	set := Services(ServiceRead, ServiceWrite, ServiceConclude)
	for k := range ServiceKind(255) {
		if want := k == ServiceRead || k == ServiceWrite || k == ServiceConclude; set.Has(k) != want {
			t.Errorf("Has(%v): got %t, want %t", k, set.Has(k), want)
		}
	}
	if got, want := set.String(), "read write conclude"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := (ParamSTR1 | ParamVLIS).String(), "str1 vlis"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A request and its response are of the same service, whose number is that of its PDU.
func TestKindsOfRequestsAndResponses(t *testing.T) {
	cases := map[ServiceKind]struct {
		request  ConfirmedServiceRequest
		response ConfirmedServiceResponse
	}{
		ServiceGetNameList:                    {&GetNameListRequest{}, &GetNameListResponse{}},
		ServiceRead:                           {&ReadRequest{}, &ReadResponse{}},
		ServiceWrite:                          {&WriteRequest{}, &WriteResponse{}},
		ServiceGetVariableAccessAttributes:    {&GetVariableAccessAttributesRequest{}, &GetVariableAccessAttributesResponse{}},
		ServiceStatus:                         {&StatusRequest{}, &StatusResponse{}},
		ServiceIdentify:                       {&IdentifyRequest{}, &IdentifyResponse{}},
		ServiceDefineNamedVariableList:        {&DefineNamedVariableListRequest{}, &DefineNamedVariableListResponse{}},
		ServiceGetNamedVariableListAttributes: {&GetNamedVariableListAttributesRequest{}, &GetNamedVariableListAttributesResponse{}},
		ServiceDeleteNamedVariableList:        {&DeleteNamedVariableListRequest{}, &DeleteNamedVariableListResponse{}},
		ServiceReadJournal:                    {&ReadJournalRequest{}, &ReadJournalResponse{}},
		ServiceFileOpen:                       {&FileOpenRequest{}, &FileOpenResponse{}},
		ServiceFileRead:                       {&FileReadRequest{}, &FileReadResponse{}},
		ServiceFileClose:                      {&FileCloseRequest{}, &FileCloseResponse{}},
		ServiceFileDelete:                     {&FileDeleteRequest{}, &FileDeleteResponse{}},
		ServiceFileDirectory:                  {&FileDirectoryRequest{}, &FileDirectoryResponse{}},
		ServiceObtainFile:                     {&ObtainFileRequest{}, &ObtainFileResponse{}},
		ServiceExtendedGetNameList:            {&ExtendedGetNameListRequest{}, &ExtendedGetNameListResponse{}},
	}
	for kind, c := range cases {
		if got := RequestKind(c.request); got != kind {
			t.Errorf("%T: got %v, want %v", c.request, got, kind)
		}
		if got := ResponseKind(c.response); got != kind {
			t.Errorf("%T: got %v, want %v", c.response, got, kind)
		}
		if name := strings.ToUpper(kind.String()[:1]) + kind.String()[1:]; fmt.Sprintf("%T", c.request) != "*mms."+name+"Request" {
			t.Errorf("%T: its kind is called %v", c.request, kind)
		}
	}
}

// ISO 9506-2, TimeOfDay.
func TestTimeOfDayCountsFrom1984(t *testing.T) {
	at := func(text string) time.Time {
		instant, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return instant
	}
	for text, want := range map[string]struct{ octets, back string }{
		"1984-01-01T00:00:00Z":         {"000000000000", "1984-01-01T00:00:00Z"},
		"1984-01-02T00:00:01.2349Z":    {"000004d20001", "1984-01-02T00:00:01.234Z"},
		"2026-01-02T04:04:05.5+01:00":  {"00a88a7c3bee", "2026-01-02T03:04:05.5Z"},
		"1970-01-01T00:00:00Z":         {"000000000000", "1984-01-01T00:00:00Z"},
		"2999-01-01T00:00:00Z":         {"05265bffffff", "2163-06-06T23:59:59.999Z"},
		"2163-06-06T23:59:59.9999999Z": {"05265bffffff", "2163-06-06T23:59:59.999Z"},
	} {
		day := TimeOfDayOf(at(text))
		if got := hex.EncodeToString(day); got != want.octets {
			t.Errorf("%s: got %s, want %s", text, got, want.octets)
		}
		if back, ok := day.Time(); !ok || !back.Equal(at(want.back)) {
			t.Errorf("%s: back is %v, %t, want %s", text, back, ok, want.back)
		}
	}
	for _, short := range []TimeOfDay{nil, {0, 0, 0, 1}} {
		if at, ok := short.Time(); ok {
			t.Errorf("%x is %v, want no instant", []byte(short), at)
		}
	}
}
