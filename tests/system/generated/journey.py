"""The journey by the client that openapi-generator generates for Python: prints what it saw as JSON."""

import json
import sys
import uuid

import generated_python as generated

url, order = sys.argv[1:]
client = generated.ApiClient(generated.Configuration(host=url))
wanted = generated.NewSession(identifier=order, postal_code="5611 AA", token_delivery="body")
session = generated.SessionApi(client).create_session("demo", wanted)
client.configuration.access_token = session.session_token
point = session.drop_off.nearest
assert point is not None
api = generated.ReturnsApi(client)
body = generated.NewReturn(
    items=[generated.NewReturnItem(id=session.items[0].id, quantity=1, reason=session.options.reasons[0].id)],
    refund=generated.NewRefund(type="money"),
    delivery=generated.NewDelivery(generated.DropOffPoint(option="drop_off_point", service_point=point.id)),
)
made = api.create_return(uuid.uuid4().hex, body)
label = api.get_label(made.id, prefer="wait=30")
try:
    api.get_return("rtn_unknown")
    code = ""
except generated.ApiException as error:
    code = json.loads(error.body)["code"]
print(json.dumps({"state": made.state, "start": label[:5].decode(), "code": code}))
