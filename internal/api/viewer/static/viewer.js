// Asks for a token, reads the OpenAPI document with it and shows it. The token
// is kept in this closure only: no storage, no cookie, no URL.
"use strict";
(() => {
  const form = document.getElementById("form");
  const trouble = document.getElementById("trouble");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    trouble.textContent = "";
    const token = document.getElementById("token").value.trim();
    const headers = { Authorization: "Bearer " + token };
    try {
      const answer = await fetch("/api/openapi.json", { headers, credentials: "omit" });
      if (!answer.ok) {
        trouble.textContent = (await answer.json()).detail;
        return;
      }
      const spec = await answer.json();
      document.getElementById("ask").remove();
      SwaggerUIBundle({
        spec,
        dom_id: "#viewer",
        deepLinking: false,
        validatorUrl: null,
        supportedSubmitMethods: ["get", "post", "patch", "delete"],
        requestInterceptor: (request) => {
          if (new URL(request.url, location.href).origin === location.origin) {
            request.headers.Authorization = headers.Authorization;
          }
          return request;
        },
      });
    } catch (error) {
      trouble.textContent = "The server did not answer: " + error.message;
    }
  });
})();
