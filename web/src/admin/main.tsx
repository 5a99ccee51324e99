// The admin console.
import { render } from "preact";
render(<main id="main"><h1>Console</h1></main>, document.getElementById("app")!);
